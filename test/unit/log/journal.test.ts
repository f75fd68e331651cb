/** The journal after a death: what is torn, what is damaged, what is of another time; and its files while it lives. */
import { describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { type Store, StreambedError } from "../../../src/index.ts";
import { freshFolder, readDescriptor } from "../../../src/log/files/stream-folder.ts";
import { checkpointPath } from "../../../src/log/format/checkpoint-file.ts";
import { segmentName } from "../../../src/log/format/segment-header.ts";
import { listRing } from "../../../src/log/journal/ring.ts";
import {
	encodeRound,
	ROUND_ALIGN,
	type RoundHeader,
	readRoundHeader,
	roundBytes,
} from "../../../src/log/journal/round.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { recordingDisk } from "../../../src/testing/recording-disk.ts";
import { codeOf, copyOf, drive, openStore, pass, ROOT, type Surroundings, surroundings } from "./memory-store.ts";
import { firstWrong, patterned } from "./pattern.ts";

const MiB = 1024 * 1024;

interface FoundRound extends RoundHeader {
	readonly path: string;
	readonly bytes: number;
}

/** Rounds of the newest incarnation, in order. */
async function roundsOn(disk: Disk): Promise<FoundRound[]> {
	const rounds: FoundRound[] = [];
	for (const { number, path } of await listRing(disk, `${ROOT}/journal`)) {
		const file = await disk.readFile(path);
		for (let at = ROUND_ALIGN; at < file.length; at += ROUND_ALIGN) {
			const header = readRoundHeader(file, at);
			if (header === undefined || header.file !== number || header.offset !== at) continue;
			rounds.push({ ...header, path, bytes: roundBytes(header.envelopes, header.bodyBytes) });
		}
	}
	const newest = Math.max(...rounds.map(({ incarnation }) => incarnation));
	return rounds.filter(({ incarnation }) => incarnation === newest).sort((a, b) => a.number - b.number);
}

async function flip(disk: Disk, path: string, at: number): Promise<void> {
	const file = await disk.open(path, "write");
	const byte = new Uint8Array(1);
	await file.read(byte, at);
	await file.write(Uint8Array.of((byte[0] as number) ^ 0x10), at);
	await file.close();
}

/** Appends so many bytes one after the other, a round each, and leaves the store as a killed process does. */
async function killedAfter(sizes: readonly number[], given: Partial<Surroundings> = {}): Promise<Surroundings> {
	const disk = memoryDisk();
	const around = surroundings({ disk, ...given });
	const store = await openStore(around);
	await drive(around.clock, store.scope("s").create("a"));
	await appendTo(store, around, 0, sizes);
	return surroundings({ ...given, disk: copyOf(disk) });
}

async function appendTo(
	store: Store,
	{ clock }: Surroundings,
	from: number,
	sizes: readonly number[],
): Promise<number> {
	let at = from;
	for (const size of sizes) {
		await drive(
			clock,
			store
				.scope("s")
				.stream("a")
				.append(patterned(0, at, size)),
		);
		at += size;
	}
	return at;
}

/** Opens, and returns the bytes of the stream, all of which must be right. */
async function tailAfter(around: Surroundings): Promise<{ tail: number; store: Store }> {
	const store = await openStore(around, false);
	const reader = store.scope("s").stream("a").reader();
	let tail = 0;
	const read = async (): Promise<void> => {
		for await (const chunk of reader) {
			expect(firstWrong(0, tail, chunk)).toBeUndefined();
			tail += chunk.length;
		}
	};
	await drive(around.clock, read());
	return { tail, store };
}

describe("opening after a death", () => {
	it("redoes every round", async () => {
		const around = await killedAfter([10, 5000, 1]);
		const { tail, store } = await tailAfter(around);
		expect(tail).toBe(5011);
		expect(store.stats().recovery).toMatchObject({ clean: false, rounds: 4, tailCutBytes: 0 });
		await drive(around.clock, store.close());
	});

	it("writes the last round once more before it shows it: its writer may have died in its sync", async () => {
		const around = await killedAfter([10, 5000]);
		const last = (await roundsOn(around.disk)).at(-1) as FoundRound;
		const disk = recordingDisk(around.disk);
		await openStore(surroundings({ disk }), false);
		const ring = disk.changes.find((change) => change.kind === "open" && change.path === last.path);
		const again = disk.changes.findIndex(
			(change) =>
				change.kind === "write" &&
				ring?.kind === "open" &&
				change.file === ring.file &&
				change.position === last.offset &&
				change.bytes.length === last.bytes,
		);
		const segments = disk.changes.flatMap((change) =>
			change.kind === "open" && change.path.endsWith(".seg") ? [change.file] : [],
		);
		const shown = disk.changes.findIndex(
			(change) => change.kind === "write" && segments.includes(change.file) && change.bytes.length > 5000,
		);
		expect(again).toBeGreaterThan(-1);
		expect(again).toBeLessThan(shown);
	});

	it("drops a last round that is not whole, wherever it is not, and says how much", async () => {
		const whole = await killedAfter([10, 9000]);
		const last = (await roundsOn(whole.disk)).at(-1) as FoundRound;
		for (const place of [70, 200, 5000, 9000]) {
			const around = surroundings({ disk: copyOf(whole.disk) });
			await flip(around.disk, last.path, last.offset + place);
			const { tail, store } = await tailAfter(around);
			expect(tail).toBe(10);
			expect(store.stats().recovery).toMatchObject({ rounds: 2, tailCutBytes: last.bytes });
			await drive(around.clock, store.close());
		}
	});

	it("refuses a round that is damaged and has another behind it, and changes nothing but what comes before it", async () => {
		const whole = await killedAfter([10, 9000, 20, 30]);
		const rounds = await roundsOn(whole.disk);
		const sound = surroundings({ disk: copyOf(whole.disk) });
		await drive(sound.clock, (await tailAfter(sound)).store.close());
		for (const round of rounds.slice(0, -1)) {
			const disk = copyOf(whole.disk);
			await flip(disk, round.path, round.offset + 100);
			const recorded = recordingDisk(disk);
			const error = await openStore(surroundings({ disk: recorded }), false).catch((reason: unknown) => reason);
			expect(StreambedError.is(error, "STREAMBED_CORRUPT")).toBe(true);
			expect((error as StreambedError).details).toMatchObject({ path: round.path, offset: round.offset });
			const changed = recorded.changes.flatMap((change) => ("path" in change ? [change.path] : []));
			expect(changed.filter((path) => /ring/.test(path))).toEqual([]);
			if (round === rounds[0]) expect(changed.filter((path) => /streams/.test(path))).toEqual([]);
			for (const path of new Set(changed.filter((one) => /\.seg$/.test(one)))) {
				const found = Buffer.from(await disk.readFile(path));
				expect(found.equals((await sound.disk.readFile(path)).subarray(0, found.length)), path).toBe(true);
			}
		}
	});

	it("without syncs takes what is whole from the beginning on, and nothing behind it", async () => {
		const whole = await killedAfter([10, 9000, 20, 30], { durability: "os" });
		const rounds = await roundsOn(whole.disk);
		const round = rounds.at(-2) as FoundRound;
		await flip(whole.disk, round.path, round.offset + 150);
		const { tail, store } = await tailAfter(whole);
		expect(tail).toBe(9010);
		await drive(whole.clock, store.close());
	});

	it("takes no round of an earlier opening for one of the last", async () => {
		const first = await killedAfter([10, 20, 30, 40]);
		const between = await tailAfter(first);
		expect(between.tail).toBe(100);
		await drive(first.clock, appendTo(between.store, first, 100, [7]));
		const second = surroundings({ disk: copyOf(first.disk) });
		const { tail, store } = await tailAfter(second);
		expect(tail).toBe(107);
		expect(store.stats().recovery).toMatchObject({ rounds: 1, tailCutBytes: 0 });
		await drive(second.clock, store.close());
	});

	it("notices that the newer checkpoint was lost", async () => {
		const first = await killedAfter([10]);
		const between = await tailAfter(first);
		// More rounds than before: nothing of the earlier ones is left to tell.
		await drive(first.clock, appendTo(between.store, first, 10, [7, 7, 7, 7]));
		const disk = copyOf(first.disk);
		const slots = await disk.readFile(checkpointPath(ROOT));
		const newer = [0, 4096].map((at) => new DataView(slots.buffer, slots.byteOffset).getUint32(at + 32, true));
		await flip(disk, checkpointPath(ROOT), ((newer[0] as number) > (newer[1] as number) ? 0 : 4096) + 40);
		expect(await codeOf(openStore(surroundings({ disk }), false))).toBe("STREAMBED_CORRUPT");
	});

	it("refuses a journal file whose header is damaged, unless nothing is to be redone", async () => {
		const around = await killedAfter([10]);
		const [ring] = await listRing(around.disk, `${ROOT}/journal`);
		const damaged = copyOf(around.disk);
		await flip(damaged, ring?.path ?? "", 40);
		expect(await codeOf(openStore(surroundings({ disk: damaged }), false))).toBe("STREAMBED_CORRUPT");
		const { store } = await tailAfter(around);
		await drive(around.clock, store.close());
		await flip(around.disk, ring?.path ?? "", 40);
		const again = surroundings({ disk: around.disk });
		const { tail, store: healed } = await tailAfter(again);
		expect(tail).toBe(10);
		await drive(again.clock, appendTo(healed, again, 10, [5]));
		await drive(again.clock, healed.close());
	});

	it("makes a missing first journal file anew where nothing is to be redone", async () => {
		const around = await killedAfter([10]);
		const path = `${ROOT}/journal/ring-000000.jnl`;
		const { store } = await tailAfter(around);
		await drive(around.clock, store.close());
		await around.disk.unlink(path);
		const again = surroundings({ disk: around.disk });
		const { tail, store: healed } = await tailAfter(again);
		expect(tail).toBe(10);
		await drive(again.clock, appendTo(healed, again, 10, [5]));
		const killedAgain = surroundings({ disk: copyOf(around.disk) });
		expect((await tailAfter(killedAgain)).tail).toBe(15);
		await drive(again.clock, healed.close());
	});

	it.each([
		["is missing", "missing", (disk: Disk, path: string) => disk.unlink(path)],
		[
			"was cut short",
			"cut short",
			async (disk: Disk, path: string) => {
				const file = await disk.open(path, "write");
				await file.truncate(2 * ROUND_ALIGN);
				await file.close();
			},
		],
	])(
		"refuses to open without what stood in a journal file that %s, unless nothing is to be redone",
		async (_, word, harm) => {
			const around = await killedAfter([10, 10, 10]);
			const [ring] = await listRing(around.disk, `${ROOT}/journal`);
			const damaged = copyOf(around.disk);
			await harm(damaged, ring?.path ?? "");
			const refused = await openStore(surroundings({ disk: damaged }), false).catch((error: unknown) => error);
			expect(refused).toMatchObject({ code: "STREAMBED_CORRUPT", message: expect.stringContaining(word) as unknown });
			const { store } = await tailAfter(around);
			await drive(around.clock, store.close());
			await harm(around.disk, ring?.path ?? "");
			const again = surroundings({ disk: around.disk });
			expect((await tailAfter(again)).tail).toBe(30);
		},
	);

	it("takes no round for real that somebody appended as data", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk });
		const store = await openStore(around);
		await drive(around.clock, store.scope("s").create("a"));
		const stream = await drive(around.clock, store.scope("s").create("copy"));
		await appendTo(store, around, 0, [100, 200, 300]);
		const [ring] = await listRing(disk, `${ROOT}/journal`);
		const journal = (await disk.readFile(ring?.path ?? "")).slice(0, 65_536);
		// At every place that a round could have in this payload's round.
		for (const shift of [0, 4096 - 64 - 48, 1000]) {
			await drive(around.clock, stream.append([new Uint8Array(shift), journal]));
		}
		const again = surroundings({ disk: copyOf(disk) });
		const { tail, store: opened } = await tailAfter(again);
		expect(tail).toBe(600);
		await drive(again.clock, opened.close());
	});

	it("takes no round for real that was forged to stand where a round might", async () => {
		// The same life twice: first to learn where the payload comes to lie in the journal, then with the forgery there.
		const payload = patterned(0, 110, 30_000).slice();
		const learn = await killedAfter([10, 100, payload.length]);
		const [ring] = await listRing(learn.disk, `${ROOT}/journal`);
		const file = Buffer.from(await learn.disk.readFile(ring?.path ?? ""));
		const start = file.indexOf(payload.subarray(0, 64));
		const last = (await roundsOn(learn.disk)).at(-1) as FoundRound;
		const at = Math.ceil(start / ROUND_ALIGN) * ROUND_ALIGN;
		const forged = new Uint8Array(ROUND_ALIGN);
		const place = { ...last, number: last.number + 1, offset: at, nonce: 1, previous: last.crc };
		encodeRound(forged, new DataView(forged.buffer), place, []);
		payload.set(forged, at - start);
		const disk = memoryDisk();
		const around = surroundings({ disk });
		const store = await openStore(around);
		await drive(around.clock, store.scope("s").create("a"));
		await appendTo(store, around, 0, [10, 100]);
		await drive(around.clock, store.scope("s").stream("a").append(payload));
		const torn = surroundings({ disk: copyOf(disk) });
		expect((await roundsOn(torn.disk)).map(({ offset }) => offset)).toContain(at);
		await flip(torn.disk, last.path, start + payload.length - 1);
		const { tail, store: opened } = await tailAfter(torn);
		expect([tail, opened.stats().recovery.tailCutBytes]).toEqual([110, last.bytes]);
		await drive(torn.clock, opened.close());
	});

	it("cuts what stands in a segment behind the last frame of the journal", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk });
		const store = await openStore(around);
		await drive(around.clock, store.scope("s").create("a"));
		await appendTo(store, around, 0, [10, 100]);
		await pass(around.clock, 50);
		const path = `${ROOT}/streams/s/a.stream/0/${segmentName(0)}`;
		const left = copyOf(disk);
		const segment = await left.open(path, "write");
		await segment.write(patterned(1, 0, 500), await segment.size());
		await segment.close();
		const again = surroundings({ disk: left });
		const opened = await tailAfter(again);
		expect(opened.tail).toBe(110);
		await appendTo(opened.store, again, 110, [5]);
		await drive(again.clock, opened.store.close());
		const third = surroundings({ disk: left });
		const after = await tailAfter(third);
		expect(after.tail).toBe(115);
		await drive(third.clock, after.store.close());
	});

	it("puts a new stream in its place, with all that was appended, when a loss of power took the renaming back", async () => {
		const around = await killedAfter([10, 70_000]);
		const folder = `${ROOT}/streams/s/a.stream`;
		const id = (await readDescriptor(around.disk, folder))?.id ?? "";
		await around.disk.rename(folder, `${ROOT}/streams/${freshFolder(id)}`);
		await around.disk.rmdir(`${ROOT}/streams/s`);
		const { tail, store } = await tailAfter(around);
		expect(tail).toBe(70_010);
		await drive(around.clock, store.close());
	});

	it("brings no stream back that somebody removed with its folder, and drops its frames", async () => {
		const around = await killedAfter([10, 20]);
		const folder = `${ROOT}/streams/s/a.stream`;
		await around.disk.rename(folder, `${ROOT}/elsewhere`);
		const store = await openStore(around, false);
		expect(await drive(around.clock, store.list())).toEqual([]);
		await drive(around.clock, store.close());
	});
});

describe("the ring of journal files", () => {
	it("grows under load up to its bound and no further, and is used again", async () => {
		const disk = memoryDisk();
		const around = surroundings({ disk, limits: { journalBytes: 16 * MiB, directBytes: 16 * MiB } });
		const store = await openStore(around);
		await drive(around.clock, store.scope("s").create("a"));
		const sizes = Array.from({ length: 60 }, () => 1_000_000);
		expect(store.stats().journalBytes).toBe(4 * MiB);
		const tail = await drive(around.clock, appendTo(store, around, 0, sizes));
		expect(store.stats().journalBytes).toBe(16 * MiB);
		expect(store.stats().checkpoints).toBeGreaterThan(3);
		const killed = surroundings({ disk: copyOf(disk) });
		const after = await tailAfter(killed);
		expect(after.tail).toBe(tail);
		expect(after.store.stats().recovery.rounds).toBeLessThan(20);
		await drive(killed.clock, after.store.close());
	});

	it("takes an append beyond any of its files into one of its own, and gives that back", async () => {
		const around = surroundings({ limits: { appendBytes: 64 * MiB, journalBytes: 16 * MiB } });
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a"));
		await drive(around.clock, stream.append(new Uint8Array(40 * MiB)));
		expect(store.stats().journalBytes).toBeGreaterThan(40 * MiB);
		await drive(around.clock, stream.append(new Uint8Array(10)));
		await drive(around.clock, store.checkpoint());
		await drive(around.clock, stream.append(new Uint8Array(6 * MiB)));
		await drive(around.clock, store.checkpoint());
		await drive(around.clock, stream.append(new Uint8Array(6 * MiB)));
		await drive(around.clock, store.checkpoint());
		expect(store.stats().journalBytes).toBeLessThanOrEqual(16 * MiB);
		expect((await stream.info()).shards[0]?.tail).toBe(52 * MiB + 10);
		await drive(around.clock, store.close());
	});

	it("sweeps what a crash left of a file being added", async () => {
		const around = surroundings();
		await drive(around.clock, (await openStore(around)).close());
		const left = `${ROOT}/journal/ring-000001.jnl.tmp`;
		await (await around.disk.open(left, "create")).close();
		await drive(around.clock, (await openStore(around)).close());
		expect(await around.disk.stat(left)).toBeUndefined();
	});

	it("is checkpointed some seconds after the first round, without being asked", async () => {
		const around = surroundings();
		const store = await openStore(around);
		await drive(around.clock, store.scope("s").create("a"));
		await appendTo(store, around, 0, [1000]);
		expect(store.stats().journalLiveBytes).toBeGreaterThan(1000);
		await pass(around.clock, 6000);
		expect(store.stats()).toMatchObject({ journalLiveBytes: 0, checkpoints: 1 });
		await pass(around.clock, 20_000);
		expect(store.stats().checkpoints).toBe(1);
		await drive(around.clock, store.close());
	});
});
