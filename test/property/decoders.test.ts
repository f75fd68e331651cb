/** Decoders meet bytes that nobody wrote, and bytes that somebody damaged: they refuse, and never break. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreambedError } from "../../src/index.ts";
import { readDescriptor } from "../../src/log/files/stream-folder.ts";
import {
	type Checkpoint,
	decodeCheckpoint,
	encodeCheckpoint,
	readCheckpoint,
} from "../../src/log/format/checkpoint-file.ts";
import { checksum, viewOf } from "../../src/log/format/checksum.ts";
import * as frames from "../../src/log/format/frame.ts";
import { type WalkResult, walkFrames } from "../../src/log/format/frame-walk.ts";
import {
	decodeSegmentHeader,
	encodeSegmentHeader,
	type SegmentHeader,
	segmentTag,
} from "../../src/log/format/segment-header.ts";
import { decodeIndex, encodeIndex, type IndexEntry, SparseIndex } from "../../src/log/format/sparse-index.ts";
import { readRingHeader } from "../../src/log/journal/ring.ts";
import * as rounds from "../../src/log/journal/round.ts";
import { readStore } from "../../src/log/opening/store-folder.ts";
import { memoryDisk } from "../../src/testing/memory-disk.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.maxSafeNat();
const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const fixedId = new Uint8Array(16).fill(7);
const TAG = segmentTag(fixedId, 0, 1);

/** Bytes with some of them changed, or cut off at some place. */
function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
	const change = fc.record({ at: fc.nat(bytes.length - 1), by: fc.integer({ min: 1, max: 255 }) });
	const changes = fc.uniqueArray(change, { minLength: 1, maxLength: 4, selector: ({ at }) => at });
	return fc.oneof(
		changes.map((list) => {
			const copy = new Uint8Array(bytes);
			for (const { at, by } of list) copy[at] = (copy[at] as number) ^ by;
			return copy;
		}),
		fc.nat(bytes.length - 1).map((length) => bytes.slice(0, length)),
	);
}

/** One frame of a segment: payloads of its entries. */
const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 5 });

function encodeFrame(entries: readonly Uint8Array[], relative: number, time: number, round: number): Uint8Array {
	const payload = Buffer.concat(entries);
	const tableBytes = entries.length * frames.ENTRY_BYTES;
	const bytes = new Uint8Array(frames.FRAME_HEADER_BYTES + payload.length + tableBytes);
	const view = viewOf(bytes);
	bytes.set(payload, frames.FRAME_HEADER_BYTES);
	entries.forEach((entry, index) => {
		view.setUint32(frames.FRAME_HEADER_BYTES + payload.length + index * frames.ENTRY_BYTES, entry.length, true);
	});
	frames.writeFrameHeader(view, 0, {
		type: frames.FrameType.data,
		entries: entries.length,
		payloadBytes: payload.length,
		tableBytes,
		bodyCrc: checksum(bytes.subarray(frames.FRAME_HEADER_BYTES)),
		units: payload.length,
		relative,
		tag: TAG,
		time,
		round,
	});
	return bytes;
}

/** A stretch of a segment: frames without gaps, and where each begins. */
const stretch = fc.array(payloads, { minLength: 1, maxLength: 8 }).map((list) => {
	let relative = 0;
	const pieces: Uint8Array[] = [];
	const starts: number[] = [];
	let at = 0;
	for (const entries of list) {
		const bytes = encodeFrame(entries, relative, 1000 + relative, pieces.length + 1);
		starts.push(at);
		pieces.push(bytes);
		relative += entries.reduce((sum, entry) => sum + entry.length, 0);
		at += bytes.length;
	}
	return { bytes: new Uint8Array(Buffer.concat(pieces)), starts, pieces, relative };
});

function walk(bytes: Uint8Array, from = 0, relative: number | "any" = 0): WalkResult {
	return walkFrames({ bytes, from, tag: TAG, relative: relative === "any" ? undefined : relative, bodies: true });
}

describe("frames", () => {
	it("come back as they were written, with the ends of their entries", () => {
		fc.assert(
			fc.property(payloads, u32, u64, u64, (entries, relative, time, round) => {
				const bytes = encodeFrame(entries, relative, time, round);
				const header = frames.readFrameHeader(bytes, viewOf(bytes), 0) as frames.FrameHeader;
				expect(header).toMatchObject({ type: 1, relative, time, round, tag: TAG, entries: entries.length });
				expect(frames.frameBytes(header)).toBe(bytes.length);
				expect(frames.frameBodyHolds(bytes, 0, header)).toBe(true);
				let end = 0;
				expect(frames.entryEnds(bytes, 0, header)).toEqual(entries.map((entry) => (end += entry.length)));
			}),
		);
	});

	it("with any damage are not taken for whole", () => {
		fc.assert(
			fc.property(
				payloads.chain((entries) => damaged(encodeFrame(entries, 5, 6, 7)).map((bytes) => ({ bytes }))),
				({ bytes }) => {
					const header = frames.readFrameHeader(bytes, viewOf(bytes), 0);
					expect(header !== undefined && frames.frameBodyHolds(bytes, 0, header)).toBe(false);
				},
			),
			{ numRuns: 1000 },
		);
	});

	it("of state come back, and are none with another length", () => {
		fc.assert(
			fc.property(u64, u64, fc.boolean(), (head, timeFloor, sealed) => {
				const state = { head, timeFloor, sealed, reason: frames.HeadReason.truncation };
				const bytes = new Uint8Array(frames.FRAME_HEADER_BYTES + frames.STATE_BYTES);
				bytes.set(frames.encodeState(state), frames.FRAME_HEADER_BYTES);
				const header = { type: frames.FrameType.seal, payloadBytes: frames.STATE_BYTES } as frames.FrameHeader;
				expect(frames.decodeState(bytes, 0, header)).toEqual(state);
				expect(frames.decodeState(bytes, 0, { ...header, payloadBytes: 31 })).toBeUndefined();
			}),
		);
	});

	it("are none in arbitrary bytes, and reading them never throws", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), (bytes, at) => {
				expect(frames.readFrameHeader(bytes, viewOf(bytes), at)).toBeUndefined();
			}),
		);
	});
});

describe("walking frames", () => {
	it("finds all of them, and after a cut those that are whole", () => {
		fc.assert(
			fc.property(stretch, fc.nat(3000), ({ bytes, starts, relative }, place) => {
				const whole = walk(bytes);
				expect(whole).toMatchObject({ bad: [], end: bytes.length, relative });
				expect(whole.frames.map(({ at }) => at)).toEqual(starts);
				const cut = place % (bytes.length + 1);
				const found = walk(bytes.subarray(0, cut)).frames.map(({ at }) => at);
				const ends = [...starts.slice(1), bytes.length];
				expect(found).toEqual(starts.filter((_, index) => (ends[index] as number) <= cut));
			}),
		);
	});

	it("finds the same from any frame on", () => {
		fc.assert(
			fc.property(stretch, fc.nat(7), ({ bytes, starts }, number) => {
				const from = starts[number % starts.length] as number;
				expect(walk(bytes, from, "any").frames.map(({ at }) => at)).toEqual(starts.filter((at) => at >= from));
			}),
		);
	});

	it("reports a flipped bit as bad, and every frame that it did not touch as good", () => {
		fc.assert(
			fc.property(stretch, fc.nat(), fc.nat(7), ({ bytes, starts, pieces }, place, bit) => {
				const at = place % bytes.length;
				const flipped = new Uint8Array(bytes);
				flipped[at] = (flipped[at] as number) ^ (1 << bit);
				const hit = starts.findLastIndex((start) => start <= at);
				const result = walk(flipped);
				const last = hit === starts.length - 1;
				expect(result.bad.length + (last && result.end < bytes.length ? 1 : 0)).toBeGreaterThan(0);
				expect(result.frames.map((frame) => frame.at)).toEqual(starts.filter((_, index) => index !== hit));
				for (const frame of result.frames) {
					const piece = pieces[starts.indexOf(frame.at)] as Uint8Array;
					expect(Buffer.compare(flipped.subarray(frame.at, frame.at + piece.length), piece)).toBe(0);
				}
			}),
			{ numRuns: 500 },
		);
	});

	it("never takes a frame of another segment, and never throws on any bytes", () => {
		fc.assert(
			fc.property(stretch, fc.uint8Array({ maxLength: 500 }), ({ bytes }, noise) => {
				expect(walkFrames({ bytes, from: 0, tag: TAG ^ 1, relative: 0, bodies: true }).frames).toEqual([]);
				expect(walk(noise).frames).toEqual([]);
				expect(walk(new Uint8Array(Buffer.concat([noise, bytes]))).frames.length).toBeGreaterThan(0);
			}),
		);
	});
});

const place = fc.record({
	unsynced: fc.boolean(),
	storeTag: u32,
	incarnation: u32,
	number: u64,
	file: u32,
	offset: u32,
	previous: u32,
	nonce: fc.nat({ max: 2 ** 48 - 1 }),
	time: u64,
});

const envelope: fc.Arbitrary<rounds.Envelope> = fc.oneof(
	fc.record({ entries: payloads, shard: u32, streamId: id, base: u64, fileOffset: u32 }).map((given) => {
		const { entries, ...rest } = given;
		const body = encodeFrame(entries, 1, 2, 3);
		return { ...rest, kind: rounds.EnvelopeKind.frame, body, crc: frames.frameHeaderCrc(viewOf(body), 0) };
	}),
	fc.record({ kind: fc.constantFrom(2, 3, 4), streamId: id, name: fc.string({ minLength: 1 }) }).map((given) => {
		const body = new TextEncoder().encode(given.name);
		const kind = given.kind as rounds.EnvelopeKind;
		return { kind, streamId: given.streamId, shard: 0, base: 0, fileOffset: 0, body, crc: checksum(body) };
	}),
);

const encodedRound = fc
	.record({ place, envelopes: fc.array(envelope, { maxLength: 6 }) })
	.map(({ place: at, envelopes }) => {
		const bodies = envelopes.reduce((sum, { body }) => sum + body.length, 0);
		const bytes = new Uint8Array(rounds.roundBytes(envelopes.length, bodies)).fill(0xee);
		const crc = rounds.encodeRound(bytes, viewOf(bytes), at, envelopes.map(rounds.roundPart));
		return {
			bytes,
			at,
			envelopes,
			crc,
			used: rounds.ROUND_HEADER_BYTES + envelopes.length * rounds.ENVELOPE_BYTES + bodies,
		};
	});

describe("rounds", () => {
	it("come back as they were written, and end in zeros", () => {
		fc.assert(
			fc.property(encodedRound, ({ bytes, at, envelopes, crc, used }) => {
				const header = rounds.readRoundHeader(bytes) as rounds.RoundHeader;
				expect(header).toMatchObject({ ...at, crc, envelopes: envelopes.length });
				expect(rounds.decodeRound(bytes, header)).toEqual(envelopes);
				expect(bytes.subarray(used).every((byte) => byte === 0)).toBe(true);
			}),
		);
	});

	it("with any damage before the padding are not taken for whole", () => {
		fc.assert(
			fc.property(
				encodedRound.chain(({ bytes, used }) => damaged(bytes.subarray(0, used)).map((broken) => broken)),
				(bytes) => {
					const header = rounds.readRoundHeader(bytes);
					expect(header && rounds.decodeRound(bytes, header)).toBeUndefined();
				},
			),
			{ numRuns: 1000 },
		);
	});

	it("are none in arbitrary bytes", () => {
		const magic = new TextEncoder().encode("SBRD");
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (noise, marked) => {
				const bytes = marked
					? new Uint8Array(Buffer.concat([magic, noise.subarray(0, 4), Uint8Array.of(1, 0), noise]))
					: noise;
				const header = rounds.readRoundHeader(bytes);
				expect(header && rounds.decodeRound(bytes, header)).toBeUndefined();
			}),
		);
	});
});

const checkpoint: fc.Arbitrary<Checkpoint> = fc.record({
	sequence: u64,
	clean: fc.boolean(),
	unsynced: fc.boolean(),
	incarnation: u32,
	round: u64,
	file: u32,
	offset: u32,
	previous: u32,
	nonce: fc.nat({ max: 2 ** 48 - 1 }),
	time: u64,
});

describe("checkpoints", () => {
	it("come back as they were written, for their own store only", () => {
		fc.assert(
			fc.property(checkpoint, id, id, (given, storeId, other) => {
				expect(decodeCheckpoint(encodeCheckpoint(given, storeId), storeId)).toEqual(given);
				fc.pre(Buffer.compare(storeId, other) !== 0);
				expect(decodeCheckpoint(encodeCheckpoint(given, storeId), other)).toBeUndefined();
			}),
		);
	});

	it("with any damage to what they say are refused", () => {
		const said = checkpoint.chain((given) => damaged(encodeCheckpoint(given, fixedId).subarray(0, 96)));
		fc.assert(
			fc.property(said, (bytes) => {
				expect(decodeCheckpoint(bytes, fixedId)).toBeUndefined();
			}),
			{ numRuns: 1000 },
		);
	});

	it("count by sequence; without a good slot the store is damaged, with one it opens", async () => {
		await fc.assert(
			fc.asyncProperty(checkpoint, checkpoint, fc.boolean(), fc.boolean(), async (one, two, oneGood, twoGood) => {
				const slots = [encodeCheckpoint(one, fixedId), encodeCheckpoint(two, fixedId)];
				if (!oneGood) slots[0] = new Uint8Array(4096);
				if (!twoGood) slots[1] = slots[1]?.fill(1, 20, 30) ?? new Uint8Array(4096);
				const disk = memoryDisk();
				await disk.mkdir("/s/journal");
				const file = await disk.open("/s/journal/checkpoint", "create");
				await file.write(slots, 0);
				const found = await readCheckpoint(disk, "/s", fixedId).catch((error: StreambedError) => error.code);
				if (!oneGood && !twoGood) expect(found).toBe("STREAMBED_CORRUPT");
				else if (!oneGood) expect(found).toEqual(two);
				else if (!twoGood || one.sequence >= two.sequence) expect(found).toEqual(one);
				else expect(found).toEqual(two);
			}),
		);
	});
});

const entry: fc.Arbitrary<IndexEntry> = fc.record({
	fileOffset: u32,
	relative: u32,
	time: u64,
	head: u64,
	sealed: fc.boolean(),
	crc: u32,
});

describe("indexes", () => {
	it("come back as they were written, for their own segment only", () => {
		fc.assert(
			fc.property(fc.array(entry, { maxLength: 20 }), u64, u32, u64, (entries, covered, tag, base) => {
				const bytes = encodeIndex(new SparseIndex(entries, covered), tag, base);
				const found = decodeIndex(bytes, tag, base, covered);
				expect([found?.entries, found?.coveredBytes]).toEqual([entries, covered]);
				expect(decodeIndex(bytes, tag ^ 1, base, covered)).toBeUndefined();
				expect(decodeIndex(bytes, tag, base === 0 ? 1 : base - 1, covered)).toBeUndefined();
				if (covered > 0) expect(decodeIndex(bytes, tag, base, covered - 1)).toBeUndefined();
			}),
		);
	});

	it("with any damage, and arbitrary bytes, are none", () => {
		const broken = fc
			.array(entry, { maxLength: 5 })
			.chain((entries) => damaged(encodeIndex(new SparseIndex(entries, 9), 1, 2)));
		fc.assert(
			fc.property(fc.oneof(broken, fc.uint8Array({ maxLength: 200 })), (bytes) => {
				expect(decodeIndex(bytes, 1, 2, 100)).toBeUndefined();
			}),
			{ numRuns: 1000 },
		);
	});
});

const segmentHeader: fc.Arbitrary<SegmentHeader> = fc.record({
	kind: fc.constantFrom("bytes", "records"),
	streamId: id,
	shard: u32,
	number: u32,
	base: u64,
	createdAt: u64,
});

describe("segment headers", () => {
	it("come back as they were written", () => {
		fc.assert(
			fc.property(segmentHeader, (header) => {
				expect(decodeSegmentHeader(encodeSegmentHeader(header))).toEqual(header);
			}),
		);
	});

	it("with any damage, and arbitrary bytes, are none", () => {
		const broken = segmentHeader.chain((header) => damaged(encodeSegmentHeader(header)));
		fc.assert(
			fc.property(fc.oneof(broken, fc.uint8Array({ maxLength: 200 })), (bytes) => {
				expect(decodeSegmentHeader(bytes)).toBeUndefined();
			}),
			{ numRuns: 1000 },
		);
	});
});

describe("small files", () => {
	const text = fc.oneof(
		fc.string().map((one) => Buffer.from(one)),
		fc.json().map((one) => Buffer.from(one)),
		fc.uint8Array(),
	);
	const storeText = Buffer.from(
		JSON.stringify({ format: 1, id: "00000000-0000-4000-8000-000000000000", createdAt: 5 }),
	);
	const streamText = Buffer.from(
		JSON.stringify({ format: 1, id: "00000000-0000-4000-8000-000000000000", kind: "bytes", shards: 1, tags: {} }),
	);

	async function outcome(
		path: string,
		bytes: Uint8Array,
		read: (disk: ReturnType<typeof memoryDisk>) => Promise<unknown>,
	) {
		const disk = memoryDisk();
		await disk.mkdir("/s");
		await (await disk.open(path, "create")).write(bytes, 0);
		return await read(disk).then(
			(value) => value,
			(error: unknown) => {
				if (!StreambedError.is(error)) throw error;
				expect(["STREAMBED_CORRUPT", "STREAMBED_FORMAT_VERSION"]).toContain(error.code);
				return error.code;
			},
		);
	}

	it("that make no sense are damage or of another version, nothing else", async () => {
		await fc.assert(
			fc.asyncProperty(fc.oneof(text, damaged(storeText)), async (bytes) => {
				await outcome("/s/store.json", bytes, (disk) => readStore(disk, "/s"));
			}),
		);
		await fc.assert(
			fc.asyncProperty(fc.oneof(text, damaged(streamText)), async (bytes) => {
				await outcome("/s/stream.json", bytes, (disk) => readDescriptor(disk, "/s"));
			}),
		);
	});

	it("are read when whole, and refused by version when a later one wrote them", async () => {
		expect(await outcome("/s/store.json", storeText, (disk) => readStore(disk, "/s"))).toMatchObject({ createdAt: 5 });
		expect(await outcome("/s/stream.json", streamText, (disk) => readDescriptor(disk, "/s"))).toMatchObject({
			kind: "bytes",
		});
		const later = Buffer.from(JSON.stringify({ format: 2 }));
		expect(await outcome("/s/store.json", later, (disk) => readStore(disk, "/s"))).toBe("STREAMBED_FORMAT_VERSION");
		expect(await outcome("/s/stream.json", later, (disk) => readDescriptor(disk, "/s"))).toBe(
			"STREAMBED_FORMAT_VERSION",
		);
	});

	it("of the ring are none when their header is damaged or arbitrary", async () => {
		await fc.assert(
			fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
				const disk = memoryDisk();
				const file = await disk.open("/ring", "create");
				await file.write(bytes, 0);
				expect(await readRingHeader(file, fixedId, 0)).toBeUndefined();
			}),
		);
	});
});
