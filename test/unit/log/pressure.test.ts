/** Manners under pressure: reads go on while a sync hangs, and descriptors are few whatever the number of streams. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { open } from "../../../src/index.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { firstWrong, patterned } from "./pattern.ts";

describe("a sync that hangs", () => {
	it.each([
		["of a round", "writeDurable", /\.jnl$/],
		["of a segment", "sync", /\.seg/],
	] as const)("%s does not keep readers waiting, neither in memory nor in files", async (_what, operation, path) => {
		const disk = faultyDisk(memoryDisk());
		const limits = { tailCacheBytes: 64 * 1024, readCacheBytes: 0 };
		const store = await open("file:/data", { disk, lock: memoryLocker(), limits });
		const stream = await store.scope("s").create("a", { segmentBytes: 65_536 });
		for (let at = 0; at < 400_000; at += 10_000) await stream.append(patterned(0, at, 10_000));
		const filesHoldAll = (): boolean => disk.events.filter((event) => /\.seg/.test(event.path)).length > 10;
		await expect.poll(filesHoldAll).toBe(true);
		const { promise: held, resolve: release } = Promise.withResolvers<void>();
		let hangs = false;
		const before = (): Promise<void> => {
			hangs = true;
			return held;
		};
		disk.addRule({ operation, path, times: Number.POSITIVE_INFINITY, before });
		const append = stream.append(patterned(0, 400_000, 10));
		const checkpoint = store.checkpoint();
		await expect.poll(() => hangs).toBe(true);
		for (const offset of [0, 123_456, 399_990]) {
			const found = await stream.reader({ from: { offset } }).read(10);
			expect(found.kind === "data" && firstWrong(0, offset, found.bytes)).toBe(undefined);
		}
		const whole = await Array.fromAsync(stream.reader({ to: { offset: 400_000 } }), (bytes) => bytes.length);
		expect(whole.reduce((sum, bytes) => sum + bytes, 0)).toBe(400_000);
		expect((await stream.info()).shards[0]?.head).toBe(0);
		release();
		await append;
		await checkpoint;
		await store.close();
	});
});

describe("a small disk", () => {
	it("takes many appends at once for whose round no journal file is large enough yet", async () => {
		const disk = memoryDisk({ capacityBytes: 60 * 1024 * 1024 });
		const store = await open("file:/data", { disk, lock: memoryLocker() });
		const stream = await store.scope("s").create("a");
		for (let turn = 0; turn < 2; turn++) {
			const appends = Array.from({ length: 120 }, () => stream.append(new Uint8Array(100_000)));
			const outcomes = await Promise.allSettled(appends);
			expect(outcomes.filter(({ status }) => status === "rejected")).toEqual([]);
		}
		await store.close();
	});
});

describe("a truncation up to the tail", () => {
	it.each([
		[2_000_000, 1],
		[100_000, 100_000],
	])("of %d bytes leaves at most about %d in files, so that a full disk gets room", async (bytes, least) => {
		const disk = memoryDisk();
		const store = await open("file:/data", { disk, lock: memoryLocker() });
		const stream = await store.scope("s").create("a");
		await stream.append(new Uint8Array(bytes));
		expect(await stream.truncateBefore(bytes)).toBe(bytes);
		await store.checkpoint();
		const folder = "/data/streams/s/a.stream/0";
		const segments = (await disk.list(folder)).filter(({ name }) => name.endsWith(".seg"));
		const sizes = await Promise.all(
			segments.map(async ({ name }) => (await disk.stat(`${folder}/${name}`))?.size ?? 0),
		);
		const held = sizes.reduce((sum, size) => sum + size, 0);
		expect(held).toBeGreaterThanOrEqual(least);
		expect(held).toBeLessThan(least + 1000);
		expect(await stream.append(Buffer.of(1))).toMatchObject({ from: bytes });
		await store.close();
		const again = await open("file:/data", { disk, lock: memoryLocker() });
		expect((await again.scope("s").stream("a").info()).shards[0]).toMatchObject({ head: bytes, tail: bytes + 1 });
		await again.close();
	});
});

const manyStreams = `
import { open } from ${JSON.stringify(new URL("../../../src/index.ts", import.meta.url).href)};
const count = Number(process.argv[2]);
const read = async (stream) => Buffer.concat(await Array.fromAsync(stream.reader(), (chunk) => Buffer.from(chunk))).toString();
const inGroups = async (work) => {
	for (let from = 0; from < count; from += 500) {
		await Promise.all(Array.from({ length: Math.min(500, count - from) }, (_, index) => work(from + index)));
	}
};
const store = await open("file:" + process.argv[1], { durability: "os" });
const scope = store.scope("s");
const streams = [];
await inGroups(async (number) => void (streams[number] = await scope.create("n" + number)));
for (const round of ["one ", "two "]) await inGroups((number) => streams[number].append(Buffer.from(round + number + ";")));
await store.checkpoint();
await store.close();
await using again = await open("file:" + process.argv[1], { durability: "os" });
let wrong = 0;
await inGroups(async (number) => {
	const stream = again.scope("s").stream("n" + number);
	await stream.append(Buffer.from("three"));
	if ((await read(stream)) !== "one " + number + ";two " + number + ";three") wrong++;
});
console.log(JSON.stringify({ count, wrong }));
`;

describe("five thousand streams", () => {
	it("work with 256 descriptors", { timeout: 170_000 }, async () => {
		const folder = await mkdtemp(join(tmpdir(), "streambed-many-"));
		try {
			const node = `ulimit -n 256; exec "$0" --input-type=module -e "$1" "$2" "$3"`;
			const child = spawn("sh", ["-c", node, process.execPath, manyStreams, join(folder, "data"), "5000"]);
			let out = "";
			let err = "";
			child.stdout.on("data", (data: Buffer) => (out += data));
			child.stderr.on("data", (data: Buffer) => (err += data));
			const [code] = await once(child, "close");
			expect({ code, err }).toEqual({ code: 0, err: "" });
			expect(JSON.parse(out)).toEqual({ count: 5000, wrong: 0 });
		} finally {
			await rm(folder, { recursive: true, force: true });
		}
	});
});
