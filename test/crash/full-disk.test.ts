/** A disk that is full, really: appends are refused before it hurts, all else goes on, and so do they once there is space. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ByteStream, open, type Store, StreambedError } from "../../src/index.ts";
import { memoryDisk } from "../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../src/testing/memory-locker.ts";
import { CliProcess } from "../e2e/cli-process.ts";
import { mountSmall, type SmallFileSystem } from "./small-file-system.ts";

const MiB = 1024 * 1024;
const KiB = 1024;
/** Counted as skipped, so that nobody takes it for tried. */
const NO_MOUNT = "no file system may be mounted here";

let small: SmallFileSystem | undefined;
beforeAll(async () => {
	small = await mountSmall(48);
});
afterAll(async () => {
	await small?.unmount();
});

function piece(number: number): Buffer {
	return Buffer.alloc(10_000, number % 251);
}

/** Appends until the disk is full; returns how many appends were stored. */
async function appendUntilFull(stream: ByteStream): Promise<number> {
	for (let stored = 0; ; stored++) {
		try {
			await stream.append(piece(stored));
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_DISK_FULL")) throw error;
			expect([error.category, error.retryable, error.details.outcome]).toEqual(["unavailable", true, undefined]);
			return stored;
		}
	}
}

async function expectAll(stream: ByteStream, from: number, pieces: number): Promise<void> {
	const all = Buffer.concat(await Array.fromAsync(stream.reader(), (chunk) => Buffer.from(chunk)));
	expect(all.length).toBe(pieces * 10_000 - from);
	for (let at = from; at < pieces * 10_000; at += 9999) expect(all[at - from]).toBe(piece(Math.floor(at / 10_000))[0]);
}

async function appendsAgain(stream: ByteStream, number: number): Promise<void> {
	const appended = async (): Promise<boolean> =>
		await stream.append(piece(number)).then(
			() => true,
			(error) => {
				if (StreambedError.is(error, "STREAMBED_DISK_FULL")) return false;
				throw error;
			},
		);
	await expect.poll(appended, { timeout: 15_000, interval: 50 }).toBe(true);
}

/** Fills the disk with appends, frees space by truncation, goes on, in one process. */
async function lifeOnFullDisk(store: Store): Promise<void> {
	const stream = await store.scope("s").create("a", { segmentBytes: 64 * KiB });
	const stored = await appendUntilFull(stream);
	expect(stored).toBeGreaterThan(500);
	await expectAll(stream, 0, stored);
	expect(await stream.truncateBefore(stored * 5000)).toBe(stored * 5000);
	await appendsAgain(stream, stored);
	await expectAll(stream, stored * 5000, stored + 1);
	const again = await store.scope("s").create("b", { segmentBytes: 64 * KiB });
	await appendUntilFull(again);
	await store.scope("s").delete("b");
	await appendsAgain(stream, stored + 1);
}

describe("a store on a full disk", () => {
	it("refuses appends, reads, truncates and deletes, and appends again in the same process", {
		timeout: 60_000,
	}, async () => {
		await using store = await open("file:/data", {
			disk: memoryDisk({ capacityBytes: 24 * MiB }),
			lock: memoryLocker(),
		});
		await lifeOnFullDisk(store);
	});

	it("does so on a real file system, and never met its end", { timeout: 60_000 }, async ({ skip }) => {
		if (small === undefined) return skip(NO_MOUNT);
		const folder = join(small.path, "own");
		{
			await using store = await open(`file:${folder}`);
			await lifeOnFullDisk(store);
		}
		await using again = await open(`file:${folder}`);
		await again.scope("s").delete("a");
	});

	it("works on when others have filled it to the last byte, and opens as well", { timeout: 60_000 }, async ({
		skip,
	}) => {
		if (small === undefined) return skip(NO_MOUNT);
		const folder = join(small.path, "others");
		const store = await open(`file:${folder}`);
		const stream = await store.scope("s").create("a", { segmentBytes: 64 * KiB });
		for (let number = 0; number < 100; number++) await stream.append(piece(number));
		// While something waits to be written, who fills the disk would get the room that the reserve gives for it.
		await store.checkpoint();
		let free = await small.fill();
		const refused = async (): Promise<string> =>
			await stream.append(piece(0)).then(
				() => "stored",
				(error: StreambedError) => error.code,
			);
		await expect.poll(refused, { timeout: 15_000, interval: 50 }).toBe("STREAMBED_DISK_FULL");
		const tail = (await stream.info()).shards[0]?.tail as number;
		// The head needs a little room, which the reserve gives; segments are freed then.
		await stream.truncateBefore(500_000);
		const freed = (): number => store.stats().retention.freedSegments;
		await expect.poll(freed, { timeout: 15_000 }).toBeGreaterThanOrEqual(7);
		await free();
		await appendsAgain(stream, 7);
		await store.close();

		free = await small.fill();
		const full = await open(`file:${folder}`);
		const found = full.scope("s").stream("a");
		expect((await found.info()).shards[0]).toMatchObject({ head: 500_000 });
		expect((await found.info()).shards[0]?.tail).toBeGreaterThan(tail);
		await free();
		await appendsAgain(found, 8);
		await full.scope("s").delete("a");
		await full.close();
	});

	it("is told by the command line with 6, and what was acknowledged can be read", { timeout: 60_000 }, async ({
		skip,
	}) => {
		if (small === undefined) return skip(NO_MOUNT);
		const cwd = small.path;
		const input = Buffer.alloc(48 * MiB, "0123456789abcdef");
		const append = await new CliProcess(["append", "./cli/s/a", "--json"], { cwd }).finish(input);
		expect(append.code).toBe(6);
		const { code, details } = append.error();
		expect(code).toBe("STREAMBED_DISK_FULL");
		const acknowledged = details.acknowledgedTo as number;
		expect(acknowledged).toBeGreaterThan(5 * MiB);
		const read = await new CliProcess(["read", "./cli/s/a"], { cwd }).finish();
		expect(read.code).toBe(0);
		expect(read.stdout.length).toBeGreaterThanOrEqual(acknowledged);
		expect(Buffer.compare(read.stdout, input.subarray(0, read.stdout.length))).toBe(0);
		const truncate = await new CliProcess(["truncate", "./cli/s/a", "--before", "tail"], { cwd }).finish();
		expect([truncate.code, truncate.err]).toEqual([0, ""]);
		const more = await new CliProcess(["append", "./cli/s/a"], { cwd }).finish("more");
		expect(more.code).toBe(0);
	});
});
