import { access, mkdtemp, readdir, rm, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ByteStream, open, type Store, StreambedError, verifyStore } from "../../src/index.ts";
import { floodByte, type OwnerProcess, startOwner } from "./owner-process.ts";

let folder: string;
let data: string;
const openThings: (() => Promise<void>)[] = [];

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "streambed-beside-"));
	data = join(folder, "data");
});

afterEach(async () => {
	for (const close of openThings.splice(0).reverse()) await close();
	await rm(folder, { recursive: true, force: true });
});

describe("a reader in another process than the owner", () => {
	it("follows a busy owner over many segments without an error and without a wrong byte", async () => {
		const owner = await newOwner();
		await owner.tell({ do: "create", stream: "raw", segmentBytes: 65_536 });
		const store = await reader();
		const followed = followFlood(stream(store, "raw"));
		await owner.tell({ do: "flood", stream: "raw" });
		await until(async () => (await tailOf(stream(store, "raw"))) > 8_000_000);
		await owner.tell({ do: "calm" });
		const tail = await owner.tell({ do: "seal", stream: "raw" });
		expect(await followed).toBe(tail);
		expect((await readdir(join(data, "streams", "a", "raw.stream", "0"))).length).toBeGreaterThan(100);
	}, 60_000);

	it("sees each append of a busy owner as one, in order, and nothing else", async () => {
		const owner = await newOwner();
		for (const name of ["raw", "times"]) await owner.tell({ do: "create", stream: name });
		const store = await reader();
		const seeing = stampsSeen(stream(store, "times"));
		await owner.tell({ do: "flood", stream: "raw" });
		await owner.tell({ do: "stamp", stream: "times", everyMs: 7 });
		await until(async () => (await tailOf(stream(store, "times"))) > 2000);
		const appended = await owner.tell({ do: "calm" });
		const tail = await owner.tell({ do: "seal", stream: "times" });
		const { numbers, late, ended } = await seeing;
		expect(appended).toBeGreaterThan(100);
		expect(numbers).toEqual(Array.from({ length: appended }, (_, number) => number));
		expect(ended).toBe(tail);
		late.sort((a, b) => a - b);
		const at = (part: number): number | undefined => late[Math.floor((late.length - 1) * part)];
		console.log(`follower behind by ms: median ${at(0.5)}, 99 % ${at(0.99)}, most ${at(1)} of ${late.length}`);
	}, 60_000);

	it("has seen nothing that is gone when the owner is killed at once", async () => {
		const first = await newOwner();
		for (const name of ["raw", "times"]) await first.tell({ do: "create", stream: name });
		let owner = first;
		let most = 0;
		for (let round = 0; round < 5; round++) {
			const store = await reader();
			const abort = new AbortController();
			const seeing = stampsSeen(stream(store, "times"), abort.signal, most);
			await owner.tell({ do: "flood", stream: "raw" });
			await owner.tell({ do: "stamp", stream: "times", everyMs: 1 });
			await until(async () => (await tailOf(stream(store, "times"))) > most + 500);
			await owner.kill();
			abort.abort();
			const { numbers, ended } = await seeing;
			await store.close();
			owner = await newOwner();
			const after = await reader();
			const kept = await stampsSeen(stream(after, "times"), undefined, most, false);
			expect(kept.numbers.slice(0, numbers.length)).toEqual(numbers);
			expect(kept.ended).toBeGreaterThanOrEqual(ended);
			await after.close();
			most = kept.ended;
		}
		expect(most).toBeGreaterThan(2500);
	}, 60_000);

	it("sees truncation, seal and deletion by the owner", async () => {
		const owner = await newOwner();
		await owner.tell({ do: "create", stream: "raw", segmentBytes: 65_536 });
		await owner.tell({ do: "flood", stream: "raw" });
		const store = await reader();
		const raw = stream(store, "raw");
		await until(async () => (await tailOf(raw)) > 500_000);
		await owner.tell({ do: "truncate", stream: "raw", before: 300_000 });
		await until(async () => (await raw.info()).shards[0]?.head === 300_000);
		expect(await codeOf(raw.reader({ from: { offset: 299_999 } }).read())).toBe("STREAMBED_TRUNCATED");
		await owner.tell({ do: "calm" });
		const tail = await owner.tell({ do: "seal", stream: "raw" });
		expect(await followFlood(raw, 300_000)).toBe(tail);
		await owner.tell({ do: "create", stream: "next" });
		const waiting = codeOf(stream(store, "next").reader({ follow: true }).read());
		await owner.tell({ do: "delete", stream: "next" });
		await owner.tell({ do: "delete", stream: "raw" });
		expect(await waiting).toBe("STREAMBED_NOT_FOUND");
		await until(async () => (await codeOf(raw.reader({ from: { offset: 300_000 } }).read())) === "STREAMBED_NOT_FOUND");
	}, 60_000);

	it("reads on when the owner is killed, sees all that was acknowledged, and follows the next owner", async () => {
		const owner = await newOwner();
		await owner.tell({ do: "create", stream: "raw", segmentBytes: 65_536 });
		const store = await reader();
		const raw = stream(store, "raw");
		const followed = followFlood(raw);
		await owner.tell({ do: "flood", stream: "raw" });
		await until(async () => (await tailOf(raw)) > 1_000_000);
		await owner.kill();
		const seen = await tailOf(raw);
		const after = await reader();
		expect(await tailOf(stream(after, "raw"))).toBeGreaterThanOrEqual(seen);
		const next = await newOwner();
		const tail = await next.tell({ do: "seal", stream: "raw" });
		expect(tail).toBe(await tailOf(stream(after, "raw")));
		expect(await followed).toBe(tail);
		expect(await verifyStore(data)).toMatchObject({ ok: true, problems: [] });
	}, 60_000);

	it("shows what a killed owner had acknowledged a moment before", async () => {
		for (let round = 0; round < 5; round++) {
			const owner = await newOwner();
			if (round === 0) await owner.tell({ do: "create", stream: "raw" });
			const tail = await owner.tell({ do: "append", stream: "raw", text: "x".repeat(1 + round * 1000) });
			await owner.kill();
			const store = await reader();
			expect(await tailOf(stream(store, "raw"))).toBe(tail);
			await store.close();
		}
	}, 60_000);

	it("verifies beside a busy owner, and after it was killed", async () => {
		const owner = await newOwner();
		await owner.tell({ do: "create", stream: "raw", segmentBytes: 65_536 });
		await owner.tell({ do: "flood", stream: "raw" });
		const store = await reader();
		await until(async () => (await tailOf(stream(store, "raw"))) > 500_000);
		for (let round = 0; round < 5; round++) {
			const result = await verifyStore(data);
			expect(result.problems).toEqual([]);
			expect(result.frames).toBeGreaterThan(0);
		}
		await owner.kill();
		expect((await verifyStore(data)).problems).toEqual([]);
		expect(await codeOf(access(join(data, "OWNER")))).toBe("fine");
	}, 60_000);
});

describe("the lock of a store", () => {
	it("refuses a second owner all the while its owner reads every file, and is free at once after a kill", async () => {
		const owner = await newOwner();
		await owner.tell({ do: "create", stream: "raw" });
		await owner.tell({ do: "append", stream: "raw", text: "x" });
		await owner.tell({ do: "checkpoint" });
		for (const lock of [false, true]) {
			expect(await owner.tell({ do: "readFiles", lock })).toBeGreaterThan(5);
			expect(await codeOf(open(`file:${data}`))).toBe("STREAMBED_LOCKED");
			await expect(startOwner(data)).rejects.toThrow("STREAMBED_LOCKED");
		}
		await owner.tell({ do: "append", stream: "raw", text: "y" });
		await owner.kill();
		const next = await newOwner();
		expect(await next.tell({ do: "append", stream: "raw", text: "z" })).toBe(3);
	}, 60_000);

	it.each(["LOCK", "OWNER"])(
		"stops the owner when %s is removed under it, and what it acknowledged stays",
		async (name) => {
			const owner = await newOwner();
			await owner.tell({ do: "create", stream: "raw" });
			let tail = await owner.tell({ do: "append", stream: "raw", text: "kept" });
			await unlink(join(data, name));
			await until(async () => {
				const append = owner.tell({ do: "append", stream: "raw", text: "." });
				const answer = await append.catch((error: Error) => error.message);
				if (typeof answer === "number") tail = answer;
				return answer === "STREAMBED_STOPPED";
			});
			await owner.kill();
			const next = await newOwner();
			expect(await next.tell({ do: "seal", stream: "raw" })).toBe(tail);
		},
		60_000,
	);
});

async function newOwner(): Promise<OwnerProcess> {
	const owner = await startOwner(data);
	openThings.push(() => owner.dispose());
	return owner;
}

async function reader(): Promise<Store> {
	const store = await open(`file:${data}`, { mode: "read" });
	openThings.push(() => store.close());
	return store;
}

function stream(store: Store, name: string): ByteStream {
	return store.scope("a").stream(name);
}

async function tailOf(of: ByteStream): Promise<number> {
	return (await of.info()).shards[0]?.tail ?? Number.NaN;
}

/** Follows a flooded stream to its end and checks each byte; returns where it ended. */
async function followFlood(flooded: ByteStream, from = 0): Promise<number> {
	const following = flooded.reader({ from: { offset: from }, follow: true });
	for (;;) {
		const got = await following.read();
		if (got.kind === "end") return following.offset;
		if (got.kind === "nothing") throw new Error("a follower waits at the tail");
		for (let index = 0; index < got.bytes.length; index++) {
			if (got.bytes[index] !== floodByte(got.offset + index)) throw new Error(`wrong byte at ${got.offset + index}`);
		}
	}
}

/** Numbers of the stamps that were seen, how late each was in milliseconds, and where seeing ended. */
async function stampsSeen(stamped: ByteStream, signal?: AbortSignal, from = 0, follow = true) {
	const seen = { numbers: [] as number[], late: [] as number[], ended: from };
	try {
		for await (const { offset, bytes } of stamped.appends({
			follow,
			from: { offset: from },
			...(signal && { signal }),
		})) {
			const [, number, ms] = /^(\d+) (\d{13})\n$/.exec(Buffer.from(bytes).toString()) ?? [];
			if (offset !== seen.ended || number === undefined) throw new Error(`no stamp at ${offset}: ${bytes}`);
			seen.numbers.push(Number(number));
			seen.late.push(Date.now() - Number(ms));
			seen.ended += bytes.length;
		}
	} catch (error) {
		if (!signal?.aborted) throw error;
	}
	return seen;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
	return await work.then(
		() => "fine",
		(error: unknown) => (StreambedError.is(error) ? error.code : String(error)),
	);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
	const deadline = performance.now() + 20_000;
	while (!(await holds())) {
		if (performance.now() > deadline) throw new Error("it does not come true");
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}
