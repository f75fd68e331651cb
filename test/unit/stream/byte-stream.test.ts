import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { StreambedError } from "../../../src/core/errors.ts";
import { AppendReader } from "../../../src/stream/bytes/append-reader.ts";
import { ByteStream } from "../../../src/stream/bytes/byte-stream.ts";
import { FakeShard, fakeStream } from "./fake-shard.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("an append", () => {
	it("with a signal is copied where the engine would not, since an abort gives the array back", async () => {
		const shard = new FakeShard();
		shard.room = false;
		const stream = new ByteStream(await fakeStream(shard));
		const given = Uint8Array.of(1, 2, 3);
		const controller = new AbortController();
		const appending = stream.append(given, { signal: controller.signal }).catch((error: unknown) => error);
		controller.abort();
		expect(await appending).toMatchObject({ code: "STREAMBED_ABORTED", details: { outcome: "unknown" } });
		given.fill(9);
		expect([...(shard.submitted[0]?.parts[0] ?? [])]).toEqual([1, 2, 3]);
		shard.complete();
	});

	it("that is aborted before it was handed over asks nothing of the engine", async () => {
		const shard = new FakeShard();
		const stream = new ByteStream(await fakeStream(shard, { opened: false }));
		const controller = new AbortController();
		const appending = stream.append(Uint8Array.of(1), { signal: controller.signal }).catch((error: unknown) => error);
		controller.abort();
		const error = await appending;
		expect(StreambedError.is(error, "STREAMBED_ABORTED")).toBe(true);
		expect((error as Error).message).not.toContain("unknown");
		expect(shard.submitted).toEqual([]);
	});
});

describe("reading append by append", () => {
	it("never goes beyond its end though the engine answers with more", async () => {
		const shard = new FakeShard();
		shard.data = Uint8Array.from({ length: 100 }, (_, index) => index);
		shard.tail = 100;
		shard.read = async () => ({ kind: "data", runs: [{ offset: 0, time: 5, bytes: shard.data, ends: [30, 60, 100] }] });
		const appends = new AppendReader(await fakeStream(shard), { to: { offset: 40 } });
		const pieces = await Array.fromAsync(appends, ({ offset, bytes, time }) => [offset, bytes.length, time]);
		expect(pieces).toEqual([
			[0, 30, 5],
			[30, 10, 5],
		]);
	});
});

describe("a Node stream", () => {
	it("for reading ends the wait of its reader when it is destroyed", async () => {
		const shard = new FakeShard();
		const readable = new ByteStream(await fakeStream(shard)).toReadable({ follow: true });
		readable.resume();
		while (shard.waiting === 0) await turn();
		readable.destroy();
		await once(readable, "close");
		expect(shard.waiting).toBe(0);
	});

	it("for writing takes the next chunk only when there is room", async () => {
		const shard = new FakeShard();
		const writable = new ByteStream(await fakeStream(shard)).toWritable({ maxInFlightBytes: 10 });
		const taken: number[] = [];
		for (let index = 0; index < 3; index++) writable.write(new Uint8Array(10), () => taken.push(index));
		await turn();
		expect([taken, shard.submitted.length]).toEqual([[0], 1]);
		shard.complete();
		await turn();
		expect([taken, shard.submitted.length]).toEqual([[0, 1], 1]);
		writable.end();
		const finished = once(writable, "finish");
		shard.complete();
		while (shard.submitted.length === 0) await turn();
		expect(writable.writableFinished).toBe(false);
		shard.complete();
		await finished;
	});
});
