import { describe, expect, it } from "vitest";
import { fail, StreambedError } from "../../../src/core/errors.ts";
import { ByteWriter } from "../../../src/stream/bytes/byte-writer.ts";
import { FakeShard, fakeStream } from "./fake-shard.ts";

const bytes = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value);

/** Lets everything that is ready run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function codeOf(action: PromiseLike<unknown>): Promise<string> {
	return await action.then(
		() => "fine",
		(error: unknown) => (StreambedError.is(error) ? error.code : String(error)),
	);
}

describe("a byte writer", () => {
	it("hands writes over at once while there is room, without copying them itself", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard));
		const data = bytes(10);
		const ticket = writer.write(data);
		expect(shard.submitted[0]?.parts[0]).toBe(data);
		expect(ticket.offset).toBe(0);
		expect(writer.write(bytes(5)).offset).toBe(10);
		shard.complete();
		shard.complete();
		await writer.close();
	});

	it("copies what the engine does not take at once", async () => {
		const shard = new FakeShard();
		shard.room = false;
		const writer = new ByteWriter(await fakeStream(shard));
		const data = bytes(10, 7);
		void writer.write(data);
		data.fill(9);
		expect([...(shard.submitted[0]?.parts[0] ?? [])]).toEqual([...bytes(10, 7)]);
		shard.complete();
		await writer.close();
	});

	it("asks no more of an engine without room than one write at a time", async () => {
		const shard = new FakeShard();
		shard.room = false;
		const writer = new ByteWriter(await fakeStream(shard));
		for (let index = 0; index < 3; index++) void writer.write(bytes(10, index));
		for (let index = 0; index < 3; index++) {
			expect(shard.submitted.length).toBe(1);
			shard.complete();
		}
		await writer.close();
	});

	it("has no more bytes in flight than its bound, and gives room in order", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard), { maxInFlightBytes: 25 });
		const taken: number[] = [];
		for (let index = 0; index < 5; index++) writer.write(bytes(10, index)).then(() => taken.push(index), expect.fail);
		await turn();
		expect([taken, shard.submitted.length, writer.hasRoom]).toEqual([[0, 1], 2, false]);
		shard.complete();
		await turn();
		expect([taken, shard.submitted.length]).toEqual([[0, 1, 2], 2]);
		while (shard.submitted.length > 0) shard.complete();
		await turn();
		expect([taken, writer.hasRoom]).toEqual([[0, 1, 2, 3, 4], true]);
	});

	it("shows NaN as the offset of a write until it was handed over", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard, { opened: false }));
		expect(writer.offset).toBe(Number.NaN);
		const ticket = writer.write(bytes(3));
		expect(ticket.offset).toBe(Number.NaN);
		expect((await ticket).offset).toBe(0);
		expect(writer.offset).toBe(3);
		shard.complete();
		await writer.close();
	});

	it("flushes the writes before the flush only", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard));
		void writer.write(bytes(1));
		void writer.write(bytes(1));
		let flushed = false;
		const flushing = writer.flush().then(() => {
			flushed = true;
		});
		void writer.write(bytes(1));
		shard.complete();
		await turn();
		expect(flushed).toBe(false);
		shard.complete();
		await flushing;
		shard.complete();
		await writer.close();
	});

	it("waits in flush for an earlier write also where a later one fails first", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard));
		void writer.write(bytes(1));
		void writer.write(bytes(1));
		let settled = false;
		const flushing = codeOf(writer.flush()).finally(() => {
			settled = true;
		});
		shard.refuse(1, fail("DISK_FULL", "no space"));
		await turn();
		expect(settled).toBe(false);
		shard.complete();
		expect(await flushing).toBe("STREAMBED_DISK_FULL");
		await writer.close();
	});

	it("rejects a flush that a watched write failed under, since not everything became durable", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard));
		const watched = codeOf(writer.write(bytes(1)).durable);
		const flushing = codeOf(writer.flush());
		shard.refuse(0, fail("DISK_FULL", "no space"));
		expect([await watched, await flushing]).toEqual(["STREAMBED_DISK_FULL", "STREAMBED_DISK_FULL"]);
		await writer.flush();
		await writer.close();
	});

	it("fails what waits behind a failed write and stores nothing of it", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard), { maxInFlightBytes: 10 });
		const tickets = [writer.write(bytes(10)), writer.write(bytes(10)), writer.write(bytes(10))];
		const codes = Promise.all(tickets.map(({ durable }) => codeOf(durable)));
		shard.refuse(0, fail("DISK_FULL", "no space"));
		expect(await codes).toEqual(Array.from({ length: 3 }, () => "STREAMBED_DISK_FULL"));
		expect(shard.submitted.length).toBe(0);
		const next = writer.write(bytes(10));
		expect(shard.submitted.length).toBe(1);
		shard.complete();
		expect((await next.durable).to - (await next.durable).from).toBe(10);
		await writer.close();
	});

	it("refuses writes while a failure is unwatched and goes on once flush has told it", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard));
		void writer.write(bytes(1));
		shard.refuse(0, fail("DISK_FULL", "no space"));
		expect(await codeOf(writer.write(bytes(1)))).toBe("STREAMBED_DISK_FULL");
		expect(shard.submitted.length).toBe(0);
		expect(await codeOf(writer.flush())).toBe("STREAMBED_DISK_FULL");
		void writer.write(bytes(1));
		shard.complete();
		await writer.close();
	});

	it("counts a failure as watched once somebody listens, however late", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard));
		const ticket = writer.write(bytes(1));
		shard.refuse(0, fail("DISK_FULL", "no space"));
		await turn();
		expect(await codeOf(ticket.durable)).toBe("STREAMBED_DISK_FULL");
		expect(await codeOf(writer.close())).toBe("fine");
	});

	it("does not count the room that somebody awaited as watching the failure that came later", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard));
		const { durable } = await writer.write(bytes(1));
		shard.refuse(0, fail("DISK_FULL", "no space"));
		expect(await codeOf(writer.close())).toBe("STREAMBED_DISK_FULL");
		expect(await codeOf(durable)).toBe("STREAMBED_DISK_FULL");
	});

	it("leaves no unhandled rejection where a promise of a failed write was taken and dropped", async () => {
		const unhandled: unknown[] = [];
		const note = (reason: unknown): void => void unhandled.push(reason);
		process.on("unhandledRejection", note);
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard));
		void writer.write(bytes(1)).durable;
		shard.refuse(0, fail("DISK_FULL", "no space"));
		await turn();
		await turn();
		process.off("unhandledRejection", note);
		expect(unhandled).toEqual([]);
		expect(await codeOf(writer.close())).toBe("STREAMBED_DISK_FULL");
	});

	it("submits the pieces of a large write one after another, and stops at the first that fails", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard));
		const durable = writer.write(bytes(2500)).durable.catch((error: StreambedError) => error);
		const after = codeOf(writer.write(bytes(1)));
		expect(shard.submitted.map((each) => each.bytes.length)).toEqual([1000]);
		shard.complete();
		expect(shard.submitted.map((each) => each.bytes.length)).toEqual([1000]);
		shard.refuse(0, fail("DISK_FULL", "no space"));
		const error = (await durable) as StreambedError;
		expect([error.code, error.details.acknowledgedTo]).toEqual(["STREAMBED_DISK_FULL", 1000]);
		expect(error.message).toContain("up to 1000 only");
		expect(await after).toBe("STREAMBED_DISK_FULL");
		await writer.close();
	});

	it("that is conditional expects each write where the last one ends, with many in flight", async () => {
		const shard = new FakeShard();
		shard.tail = 100;
		shard.acceptedTail = 100;
		const writer = new ByteWriter(await fakeStream(shard), { conditional: true });
		await writer.seekToTail();
		for (const length of [1, 2, 3]) void writer.write(bytes(length));
		expect(shard.submitted.map(({ expect: expected }) => expected)).toEqual([100, 101, 103]);
		for (let index = 0; index < 3; index++) shard.complete();
		await writer.close();
	});

	it("that is conditional sends nothing after a write that is bound to be refused", async () => {
		const shard = new FakeShard();
		const writer = new ByteWriter(await fakeStream(shard), { conditional: true });
		await writer.seekToTail();
		shard.acceptedTail = 10;
		const codes = [writer.write(bytes(10)), writer.write(bytes(10))].map(({ durable }) => codeOf(durable));
		expect(shard.submitted.map(({ expect: expected }) => expected)).toEqual([0]);
		shard.refuse(0, fail("POSITION_MISMATCH", "elsewhere"));
		expect(await Promise.all(codes)).toEqual(["STREAMBED_POSITION_MISMATCH", "STREAMBED_POSITION_MISMATCH"]);
		expect(shard.submitted.length).toBe(0);
		expect(await codeOf(writer.write(bytes(1)))).toBe("STREAMBED_POSITION_MISMATCH");
		shard.tail = 10;
		expect(await writer.seekToTail()).toBe(10);
		void writer.write(bytes(1));
		shard.complete();
		await writer.close();
	});

	it("leaves the store's list of writers when it is closed or abandoned", async () => {
		const access = await fakeStream(new FakeShard());
		const one = new ByteWriter(access);
		const two = new ByteWriter(access);
		expect(access.context.writers.size).toBe(2);
		await one.close();
		two.abandon(new Error("gone"));
		expect(access.context.writers.size).toBe(0);
		expect(await codeOf(two.write(bytes(1)))).toBe("STREAMBED_CLOSED");
	});
});
