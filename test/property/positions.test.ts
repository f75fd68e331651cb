/** Positions are exact over their whole range: past 2^32, where numbers of files end, and up to 2^53 − 1, where ours do. */
import { join } from "node:path/posix";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseUuid } from "../../src/core/random.ts";
import type { Disk } from "../../src/disk/disk.ts";
import { type ByteStream, type Store, StreambedError } from "../../src/index.ts";
import { readDescriptor } from "../../src/log/files/stream-folder.ts";
import { checksum, readU64, viewOf, writeU64 } from "../../src/log/format/checksum.ts";
import {
	encodeState,
	FRAME_HEADER_BYTES,
	FrameType,
	HeadReason,
	STATE_BYTES,
	writeFrameHeader,
} from "../../src/log/format/frame.ts";
import {
	baseOfName,
	encodeSegmentHeader,
	segmentName,
	segmentNumber,
	segmentTag,
} from "../../src/log/format/segment-header.ts";
import { memoryDisk } from "../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, ROOT, type Surroundings, surroundings } from "../unit/log/memory-store.ts";
import { firstWrong, patterned } from "../unit/log/pattern.ts";

const LAST = Number.MAX_SAFE_INTEGER;
const TIME = 1_000_000;

/** A segment that holds its state frame only. */
function emptySegment(streamId: Uint8Array, base: number): Uint8Array {
	const number = segmentNumber(base);
	const frame = new Uint8Array(FRAME_HEADER_BYTES + STATE_BYTES);
	frame.set(encodeState({ head: base, timeFloor: TIME, sealed: false, reason: HeadReason.none }), FRAME_HEADER_BYTES);
	writeFrameHeader(viewOf(frame), 0, {
		type: FrameType.state,
		entries: 0,
		payloadBytes: STATE_BYTES,
		tableBytes: 0,
		bodyCrc: checksum(frame.subarray(FRAME_HEADER_BYTES)),
		units: 0,
		relative: 0,
		tag: segmentTag(streamId, 0, number),
		time: TIME,
		round: 1,
	});
	const header = encodeSegmentHeader({ kind: "bytes", streamId, shard: 0, number, base, createdAt: TIME });
	return new Uint8Array(Buffer.concat([header, frame]));
}

interface Far {
	readonly around: Surroundings;
	readonly disk: Disk;
	readonly store: Store;
	readonly stream: ByteStream;
}

/** A stream whose data before `base` was truncated away. */
async function streamAt(base: number): Promise<Far> {
	const disk = memoryDisk();
	const first = surroundings({ disk });
	const made = await openStore(first);
	await drive(first.clock, made.scope("s").create("a", { segmentBytes: 65_536 }));
	await drive(first.clock, made.close());
	const folder = join(ROOT, "streams/s/a.stream");
	const id = parseUuid((await readDescriptor(disk, folder))?.id ?? "") as Uint8Array;
	await disk.mkdir(join(folder, "0"));
	const file = await disk.open(join(folder, "0", segmentName(base)), "create");
	await file.write(emptySegment(id, base), 0);
	await file.close();
	const around = surroundings({ disk });
	const store = await openStore(around);
	return { around, disk, store, stream: store.scope("s").stream("a") };
}

async function reopened({ around, store }: Far): Promise<Far> {
	await drive(around.clock, store.close());
	const next = surroundings({ disk: around.disk, clock: around.clock });
	const again = await openStore(next);
	return { around: next, disk: around.disk, store: again, stream: again.scope("s").stream("a") };
}

/** Checks bounds and every byte from `head` to `tail`, from the beginning and from places in the middle. */
async function check({ around, stream }: Far, head: number, tail: number): Promise<void> {
	const info = await drive(around.clock, stream.info());
	expect(info.shards[0]).toMatchObject({ head, tail, bytes: tail - head });
	for (const from of [head, head + Math.floor((tail - head) / 2), tail - 1]) {
		const reader = stream.reader({ from: { offset: from } });
		let at = from;
		for (;;) {
			const read = await drive(around.clock, reader.read(50_000));
			if (read.kind !== "data") break;
			expect(read.offset).toBe(at);
			expect(firstWrong(0, at, read.bytes)).toBeUndefined();
			at += read.bytes.length;
		}
		expect(at).toBe(tail);
		await reader.close();
	}
}

const bases = fc.oneof(
	fc.integer({ min: 2 ** 32 - 200_000, max: 2 ** 32 + 200_000 }),
	fc.integer({ min: 2 ** 52, max: LAST - 500_000 }),
	fc.constantFrom(2 ** 31 - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 40 - 7, LAST - 400_000),
);

describe("positions", () => {
	it("are exact wherever a stream has come to: appended, read, sought, truncated, opened again", {
		timeout: 60_000,
	}, async () => {
		await fc.assert(
			fc.asyncProperty(
				bases,
				fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 2, maxLength: 6 }),
				async (base, sizes) => {
					let far = await streamAt(base);
					let tail = base;
					for (const size of sizes) {
						const append = far.stream.append(patterned(0, tail, size), { expect: tail });
						expect(await drive(far.around.clock, append)).toEqual({ from: tail, to: tail + size, duplicate: false });
						tail += size;
					}
					await check(far, base, tail);
					far = await reopened(far);
					await check(far, base, tail);
					const head = base + Math.floor((tail - base) / 2);
					expect(await drive(far.around.clock, far.stream.truncateBefore(head))).toBe(head);
					await check(far, head, tail);
					far = await reopened(far);
					await check(far, head, tail);
					expect(await codeOf(far.stream.reader({ from: { offset: head - 1 } }).open())).toBe("STREAMBED_TRUNCATED");
					expect(await codeOf(far.stream.truncateBefore(tail + 1))).toBe("STREAMBED_OUT_OF_RANGE");
					await drive(far.around.clock, far.store.close());
				},
			),
			{ numRuns: 30 },
		);
	});

	it("end at 2^53 − 1: what would go beyond is refused, and what fits is taken", async () => {
		let far = await streamAt(LAST - 1000);
		const { clock } = far.around;
		const first = far.stream.append(patterned(0, LAST - 1000, 600));
		const beyond = far.stream.append(new Uint8Array(401)).catch((error: unknown) => error);
		const last = far.stream.append(patterned(0, LAST - 400, 400));
		expect(await drive(clock, first)).toMatchObject({ to: LAST - 400 });
		const error = await drive(clock, beyond);
		expect(StreambedError.is(error, "STREAMBED_LIMIT_EXCEEDED")).toBe(true);
		// Refusals rest on data not yet durable: they are told with the round, and so is what came after.
		expect((error as StreambedError).details).toEqual({ tail: LAST, limit: LAST });
		expect(await drive(clock, last)).toMatchObject({ from: LAST - 400, to: LAST });
		expect(await drive(clock, codeOf(far.stream.append(new Uint8Array(1))))).toBe("STREAMBED_LIMIT_EXCEEDED");
		await check(far, LAST - 1000, LAST);
		far = await reopened(far);
		await check(far, LAST - 1000, LAST);
		expect(await drive(far.around.clock, codeOf(far.stream.append(new Uint8Array(1))))).toBe(
			"STREAMBED_LIMIT_EXCEEDED",
		);
		expect(await drive(far.around.clock, far.stream.seal())).toBe(LAST);
		await drive(far.around.clock, far.store.close());
	});

	it("come back from eight bytes up to 2^53 − 1, and larger ones as none", () => {
		const bytes = new Uint8Array(8);
		const view = viewOf(bytes);
		fc.assert(
			fc.property(fc.maxSafeNat(), (value) => {
				writeU64(view, 0, value);
				expect(view.getBigUint64(0, true)).toBe(BigInt(value));
				expect(readU64(view, 0)).toBe(value);
			}),
		);
		fc.assert(
			fc.property(fc.bigInt({ min: BigInt(LAST) + 1n, max: 2n ** 64n - 1n }), (value) => {
				view.setBigUint64(0, value, true);
				expect(readU64(view, 0)).toBeNaN();
			}),
		);
	});

	it("are told by the names of segments, which sort as they do", () => {
		fc.assert(
			fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (one, two) => {
				expect(baseOfName(segmentName(one))).toBe(one);
				expect(segmentName(one) < segmentName(two)).toBe(one < two);
			}),
		);
		expect(baseOfName(`${"9".repeat(20)}.seg`)).toBeUndefined();
		expect(baseOfName("1.seg")).toBeUndefined();
	});
});
