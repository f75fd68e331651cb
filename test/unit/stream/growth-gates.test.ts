/** Order per key where the files of an older shard are behind those of a newer one, as a process beside the owner may see them. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { RoundRobin, shardOfKey } from "../../../src/core/routing.ts";
import { bytes } from "../../../src/core/serializer.ts";
import { resolveStreamConfig } from "../../../src/core/stream-config.ts";
import type { Engine, EngineShard, EngineStream, ShardBounds } from "../../../src/engine/contract.ts";
import { createMemoryEngine } from "../../../src/engine/memory/memory-engine.ts";
import type { RecordReadOptions } from "../../../src/stream/records/record-range.ts";
import { RecordStream } from "../../../src/stream/records/record-stream.ts";
import { StreamAccess } from "../../../src/stream/stream-access.ts";

const address = { scope: "s", stream: "r" };
const key = Array.from({ length: 9 }, (_, index) => `k${index}`).find((each) => shardOfKey(each, 2) === 1) as string;

/** A stream whose shard 0 seems to end at `seen.tail`. */
function behind(stream: EngineStream, seen: { tail: number }): EngineStream {
	const clip = (bounds: ShardBounds): ShardBounds => ({ ...bounds, tail: Math.min(bounds.tail, seen.tail) });
	const first = (shard: EngineShard): EngineShard => {
		const clipped: Partial<EngineShard> = {
			bounds: async () => clip(await shard.bounds()),
			read: async (position, maxBytes, options) => {
				if (position >= seen.tail) return { kind: "nothing", tail: seen.tail };
				return await shard.read(position, maxBytes, options);
			},
			locate: async (query) => Math.min(await shard.locate(query), seen.tail),
			changed: () => new Promise(() => {}),
		};
		return clipped as EngineShard;
	};
	return {
		...stream,
		id: stream.id,
		kind: stream.kind,
		get layout() {
			return stream.layout;
		},
		bounds: async () => (await stream.bounds()).map((each, index) => (index === 0 ? clip(each) : each)),
		grown: (shards, signal) => stream.grown(shards, signal),
		shard: (index) => (index === 0 ? first(stream.shard(index)) : stream.shard(index)),
	} as EngineStream;
}

function streamOf(engine: Engine, open: () => Promise<EngineStream>): RecordStream {
	const context = {
		engine: { ...engine, openStream: open } as Engine,
		assertOpen: () => {},
		isOpen: () => true,
		clock: systemClock,
		turnsOf: () => new RoundRobin(0),
		writers: new Set<never>(),
	};
	return new RecordStream(new StreamAccess(context, address, "records"), bytes);
}

/** Six records of a key, three before a growth that moves it and three behind; of the first ones two are not seen yet. */
async function grown(): Promise<{ readonly stream: RecordStream; readonly seen: { tail: number } }> {
	const engine = createMemoryEngine();
	await engine.createStream(address, resolveStreamConfig({ kind: "records" }));
	const owner = streamOf(engine, () => engine.openStream(address));
	const seen = { tail: 1 };
	for (let value = 0; value < 6; value++) {
		if (value === 3) await engine.updateStream(address, { shards: 2 });
		await owner.append({ key, value: Uint8Array.of(value) });
	}
	return { seen, stream: streamOf(engine, async () => behind(await engine.openStream(address), seen)) };
}

async function valuesOf(stream: RecordStream, options: RecordReadOptions): Promise<[values: number[], cut: string]> {
	const reader = stream.read(options);
	const values = await Array.fromAsync(reader, ({ value }) => value[0] as number);
	return [values, reader.location as string];
}

describe("a growth that is known before the older shard is seen up to it", () => {
	it.each([{}, { to: "tail" }, { to: { time: Number.MAX_SAFE_INTEGER } }] as const)(
		"keeps the newer shard from a reader with %j, and from no later one",
		async (options) => {
			const { stream, seen } = await grown();
			const reader = stream.read(options);
			const first = await Array.fromAsync(reader, ({ value }) => value[0] as number);
			expect(first).toEqual([0]);
			expect(reader.caughtUp).toBe(false);
			seen.tail = 3;
			const [rest] = await valuesOf(stream, { fromCut: reader.location });
			expect(rest).toEqual([1, 2, 3, 4, 5]);
		},
	);

	it("ends a follower with an end that lies before the growth", async () => {
		const { stream } = await grown();
		expect((await valuesOf(stream, { follow: true, to: "tail" }))[0]).toEqual([0]);
	});

	it("puts no record of the newer shard before a cut", async () => {
		const { stream, seen } = await grown();
		const cut = await stream.cut();
		seen.tail = 3;
		expect((await valuesOf(stream, { toCut: cut }))[0]).toEqual([0]);
		expect((await valuesOf(stream, { fromCut: cut }))[0]).toEqual([1, 2, 3, 4, 5]);
		expect((await valuesOf(stream, { fromCut: cut, toCut: await stream.cut() }))[0]).toEqual([1, 2, 3, 4, 5]);
	});
});

describe("a range that ends before a growth", () => {
	it("does not keep the newer shard, where it has a part of that as well", async () => {
		const { stream, seen } = await grown();
		seen.tail = 3;
		const whole = await stream.cut();
		const [, inside] = await valuesOf(stream, { limit: 2 });
		expect((await valuesOf(stream, { fromCut: inside, toCut: whole }))[0]).toEqual([2, 3, 4, 5]);
		expect((await valuesOf(stream, { shard: 1 }))[0]).toEqual([3, 4, 5]);
	});
});
