/** Opening a store with very many streams after a clean close, listing them, and asking for the bounds of each. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { open } from "../../src/index.ts";
import type { Case, Figures, Pair, Side } from "../harness.ts";
import type { Scenario } from "../scenario.ts";
import { somePayload } from "../stores.ts";
import { startChild } from "../workspace.ts";

const program: URL = new URL("../children/open-streams.ts", import.meta.url);
const scopeName = "bench";
const plain = "fs: folders listed, descriptors read";
const bound = "what is allowed";

/** What 10,000 streams may cost, open and all of them used. */
const allowed: Figures = { openMs: 1000, openMiB: 16, allMiB: 256 };

export const openMany: Scenario = {
	name: "open-many",
	summary: "opening a store of 10,000 streams after a clean close, listing them, asking for the bounds of each",
	cases: ({ quick }) => [manyCase(quick ? 200 : 10_000)],
};

function manyCase(streams: number): Case {
	const ours = `streambed, ${streams} streams`;
	const pair = (metric: string, unit: string, reference: string, atMost?: number): Pair => {
		const between = { ours, reference, metric, unit };
		return atMost === undefined ? between : { ...between, bar: { atMost } };
	};
	return {
		name: `open-many/${streams}`,
		sides: [manySide(ours), plainSide(), { name: bound, open: async () => ({ run: async () => allowed }) }],
		prepare: (folder) => makeStreams(join(folder, "store"), streams),
		pairs: [
			pair("openMs", "ms to open", bound, 1),
			pair("openMiB", "MiB more when open", bound),
			pair("allMiB", "MiB more when all are used", bound),
			pair("listMs", "ms to list", plain),
			pair("infoMs", "ms for all bounds", plain),
		],
		settings: { streams },
		warmUp: false,
	};
}

async function makeStreams(folder: string, streams: number): Promise<void> {
	const store = await open(`file:${folder}`, { durability: "os" });
	const scope = store.scope(scopeName);
	const payload = somePayload(100);
	let next = 0;
	const maker = async (): Promise<void> => {
		while (next < streams) await (await scope.create(`stream-${next++}`)).append(payload);
	};
	await Promise.all(Array.from({ length: 16 }, maker));
	await store.close();
}

/** The folder that `prepare` got lies beside a side's own. */
function shared(folder: string): string {
	return join(folder, "..", "shared", "store");
}

function manySide(name: string): Side {
	return {
		name,
		open: async (folder) => ({
			run: async () => {
				const child = startChild(program, [shared(folder), scopeName]);
				const figures = JSON.parse(await child.line()) as Figures;
				await child.end();
				return figures;
			},
		}),
	};
}

/** What a listing costs that reads each descriptor, with blocking calls; and the same with the head of each segment. */
function plainSide(): Side {
	return {
		name: plain,
		open: async (folder) => ({
			run: async () => {
				const streams = join(shared(folder), "streams", scopeName);
				const began = performance.now();
				const names = readdirSync(streams);
				for (const name of names) JSON.parse(readFileSync(join(streams, name, "stream.json"), "utf8"));
				const listMs = performance.now() - began;
				const asking = performance.now();
				for (const name of names) {
					JSON.parse(readFileSync(join(streams, name, "stream.json"), "utf8"));
					for (const file of readdirSync(join(streams, name, "0"))) readFileSync(join(streams, name, "0", file));
				}
				return { listMs, infoMs: performance.now() - asking };
			},
		}),
	};
}
