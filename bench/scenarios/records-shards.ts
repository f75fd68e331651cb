/** What many shards cost before they have records: a stream is created, durably. */
import { performance } from "node:perf_hooks";
import { open } from "../../src/index.ts";
import type { Case, Side } from "../harness.ts";
import type { RunSettings, Scenario } from "../scenario.ts";

export const recordsShards: Scenario = {
	name: "records-shards",
	summary: "creating a stream of 4,096 shards beside one of 1 shard",
	cases: (settings) => [shardsCase(settings)],
};

function shardsCase({ durability, quick }: RunSettings): Case {
	const shards = 4096;
	const streams = quick ? 3 : 50;
	const [many, one] = [`streambed, ${shards} shards`, "streambed, 1 shard"];
	return {
		name: `records-shards/${shards}`,
		sides: [side(many, shards, streams, durability), side(one, 1, streams, durability)],
		pairs: [{ ours: many, reference: one, metric: "ms", unit: "ms to create", bar: { atMost: 2 } }],
		settings: { shards, streams },
	};
}

function side(name: string, shards: number, streams: number, durability: RunSettings["durability"]): Side {
	return {
		name,
		open: async (folder) => {
			const store = await open(`file:${folder}/store`, { durability });
			const scope = store.scope("bench");
			return {
				run: async () => {
					const start = performance.now();
					for (let index = 0; index < streams; index++) {
						await scope.create(`stream-${index}`, { kind: "records", shards });
					}
					const ms = (performance.now() - start) / streams;
					for (let index = 0; index < streams; index++) await scope.delete(`stream-${index}`);
					return { ms };
				},
				close: () => store.close(),
			};
		},
	};
}
