/** Small appends spread over a thousand streams, beside as many on one: they share a journal and its syncs. */
import { type ByteStream, open } from "../../src/index.ts";
import { closedLoops } from "../appenders.ts";
import type { Case, Side } from "../harness.ts";
import type { RunSettings, Scenario } from "../scenario.ts";
import { somePayload } from "../stores.ts";

const bytes = 100;

export const manyStreams: Scenario = {
	name: "many-streams",
	summary: "100-byte appends over 1,000 streams beside as many in flight on one",
	cases: ({ durability, quick }) => [manyCase(quick ? 50 : 1000, quick ? 512 : 4096, durability)],
};

function manyCase(streams: number, inFlight: number, durability: RunSettings["durability"]): Case {
	const many = `streambed, ${streams} streams`;
	const one = "streambed, 1 stream";
	return {
		name: `many-streams/${bytes}B/${inFlight}`,
		sides: [side(many, streams, inFlight, durability), side(one, 1, inFlight, durability)],
		pairs: [{ ours: many, reference: one, metric: "rate", unit: "appends/s", bar: { atLeast: 0.7 } }],
		settings: { bytes, streams, inFlight },
	};
}

function side(name: string, streams: number, inFlight: number, durability: RunSettings["durability"]): Side {
	const payload = somePayload(bytes);
	return {
		name,
		open: async (folder) => {
			const store = await open(`file:${folder}/store`, { durability });
			const scope = store.scope("bench");
			const handles: ByteStream[] = [];
			for (let index = 0; index < streams; index++) handles.push(await scope.create(`stream-${index}`));
			return {
				run: async (seconds) => {
					const figures = await closedLoops(handles, payload, inFlight, seconds);
					await store.checkpoint();
					return figures;
				},
				close: () => store.close(),
			};
		},
	};
}
