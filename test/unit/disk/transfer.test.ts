import { describe, expect, it } from "vitest";
import { type FdIo, maxBuffersPerCall, readWhole, writeBuffers, writeWhole } from "../../../src/disk/transfer.ts";

/** A file whose calls move at most `step` bytes and take no more buffers than an operating system does. */
class ShortIo implements FdIo {
	readonly bytes: Uint8Array = new Uint8Array(100_000);
	size = 0;
	calls = 0;
	readonly #step: number;

	constructor(step: number) {
		this.#step = step;
	}

	read: FdIo["read"] = (_fd, target, offset, length, position, done) => {
		this.calls++;
		const count = Math.max(0, Math.min(this.#step, length, this.size - position));
		target.set(this.bytes.subarray(position, position + count), offset);
		queueMicrotask(() => done(null, count));
	};

	write: FdIo["write"] = (_fd, data, offset, length, position, done) => {
		this.calls++;
		const count = Math.min(this.#step, length);
		this.bytes.set(data.subarray(offset, offset + count), position);
		this.size = Math.max(this.size, position + count);
		queueMicrotask(() => done(null, count));
	};

	writev: FdIo["writev"] = (fd, data, position, done) => {
		if (data.length > 1024) {
			done(new Error("EINVAL: too many buffers"), 0);
			return;
		}
		const whole = Buffer.concat(data);
		this.write(fd, whole, 0, whole.length, position, done);
	};
}

const sample = Uint8Array.from({ length: 50_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

function run(start: (done: (error: Error | null, bytes: number) => void) => void): Promise<number> {
	return new Promise((resolve, reject) => start((error, bytes) => (error === null ? resolve(bytes) : reject(error))));
}

describe("whole transfers", () => {
	it.each([1000, 4096, 1_000_000])("go on after short writes and reads of %i bytes", async (step) => {
		const io = new ShortIo(step);
		expect(await run((done) => writeWhole(io, 1, sample, 100, done))).toBe(sample.length);
		expect(io.calls).toBe(Math.ceil(sample.length / step));
		const target = new Uint8Array(sample.length);
		expect(await run((done) => readWhole(io, 1, target, 100, done))).toBe(sample.length);
		expect(Buffer.compare(target, sample)).toBe(0);
		expect(await run((done) => readWhole(io, 1, target, sample.length, done))).toBe(100);
	});

	it.each([1, 3, 10, 999, 1_000_000])("go on in the middle of buffers after %i bytes", async (step) => {
		const io = new ShortIo(step);
		const buffers: Uint8Array[] = [];
		for (let at = 0; at < 20_000; at += (at % 13) + 1) buffers.push(sample.subarray(at, at + (at % 13) + 1));
		buffers.push(new Uint8Array(0));
		const expected = Buffer.concat(buffers);
		expect(buffers.length).toBeGreaterThan(2 * maxBuffersPerCall);
		expect(await run((done) => writeBuffers(io, 1, buffers, 5, done))).toBe(expected.length);
		expect(Buffer.compare(io.bytes.subarray(5, 5 + expected.length), expected)).toBe(0);
		expect(io.size).toBe(5 + expected.length);
	});

	it("gives up when a write moves nothing at all", async () => {
		const io = new ShortIo(0);
		await expect(run((done) => writeWhole(io, 1, sample, 0, done))).rejects.toMatchObject({ code: "EIO" });
		await expect(run((done) => writeBuffers(io, 1, [sample, sample], 0, done))).rejects.toMatchObject({ code: "EIO" });
		expect(await run((done) => readWhole(io, 1, new Uint8Array(5), 0, done))).toBe(0);
	});

	it("never call back before they return", async () => {
		let returned = false;
		const io = new ShortIo(10);
		const done = run((end) => {
			writeBuffers(io, 1, [], 0, (error, bytes) => {
				expect(returned).toBe(true);
				end(error, bytes);
			});
			returned = true;
		});
		expect(await done).toBe(0);
	});
});
