/**
 * Repairs the segments of one shard (docs/adr/0017-repair.md). Positions never move: lost frames are put back at their
 * places where journal or checksums prove them, else their positions stay a hole.
 */
import { join } from "node:path/posix";
import type { DiskFile } from "../../disk/disk.ts";
import { checksum, viewOf } from "../format/checksum.ts";
import { CONTROL_BYTES, controlFrame } from "../format/control-frame.ts";
import { FRAME_HEADER_BYTES, FrameType, frameBodyHolds, frameBytes, readFrameHeader } from "../format/frame.ts";
import { mendHeader, mendState } from "../format/frame-mend.ts";
import {
	decodeSegmentHeader,
	encodeSegmentHeader,
	numberOfTag,
	SEGMENT_HEADER_BYTES,
	segmentName,
	segmentNumber,
	segmentTag,
} from "../format/segment-header.ts";
import { baseOfIndex, indexedEnd } from "../segments/indexed-end.ts";
import type { BadFrame } from "../segments/segment-walk.ts";
import { goOn, type ShardToRepair, settleEnd, unitsWithin } from "./repair-end.ts";
import { restoreNames } from "./repair-names.ts";
import type { Edit, RepairWork } from "./repair-work.ts";
import {
	judgePath,
	type KnownState,
	type SegmentSurvey,
	type SegmentVerdict,
	surveySegment,
} from "./segment-survey.ts";
import { segmentBases } from "./verify-shard.ts";

const WINDOW_BYTES = 1024 * 1024;

/** Repairs a shard; returns the highest round that its frames tell. */
export async function repairShard(work: RepairWork, shard: ShardToRepair): Promise<number> {
	const repair = new ShardRepair(work, shard);
	await repair.run();
	return repair.state.round;
}

/** A stretch of a segment where frames are lost. */
type Lost = Pick<BadFrame, "at" | "relative" | "end" | "next">;

class ShardRepair {
	readonly #work: RepairWork;
	readonly #shard: ShardToRepair;
	readonly state: KnownState = { head: 0, sealed: false, time: 0, round: 0 };

	constructor(work: RepairWork, shard: ShardToRepair) {
		this.#work = work;
		this.#shard = shard;
	}

	async run(): Promise<void> {
		await this.#sortFiles();
		await this.#missingSegments();
		const bases = await this.#bases();
		for (const base of bases) await this.#segment(base);
		await this.#end(bases.at(-1));
	}

	/** Makes segments that are missing and whose frames the journal still holds, but none that lie below the head. */
	async #missingSegments(): Promise<void> {
		const there = await this.#bases();
		const held = this.#shard.ids.flatMap((id) => this.#shard.ring.bases(id, this.#shard.shard));
		const all = [...new Set([...there, ...held])].sort((a, b) => a - b);
		const missing = all.filter((base) => !there.includes(base));
		if (missing.length === 0) return;
		const known = { ...this.state };
		await this.#learnHead();
		const { head } = this.state;
		Object.assign(this.state, known);
		for (const base of missing) {
			const next = all[all.indexOf(base) + 1];
			if (next === undefined || next > head) await this.#fromJournal(base);
		}
	}

	#bases(): Promise<number[]> {
		return segmentBases({ disk: this.#work.disk, nobodyWrites: async () => true }, this.#shard.folder);
	}

	#path(base: number): string {
		return join(this.#shard.folder, segmentName(base));
	}

	/** Files that are none of this shard's go aside, those under a wrong name get their own. */
	async #sortFiles(): Promise<void> {
		await restoreNames(this.#work, this.#shard);
		const bases = await this.#bases();
		for (const base of bases) {
			const { kind } = await this.#judge(base);
			if (kind === "misplaced" || kind === "foreign") {
				await this.#foreign(base, base === bases.at(-1), bases.at(-2));
			}
		}
	}

	/** A file that holds nothing of this shard. Where it stands in the place of the newest, the end goes with it. */
	async #foreign(base: number, newest: boolean, before: number | undefined): Promise<void> {
		const path = this.#path(base);
		const what = "set aside: nothing in it belongs to this shard";
		if (!newest) return await this.#work.setAside(path, what);
		const { kind, size } = (await this.#work.disk.stat(path)) ?? { kind: "other", size: 0 };
		const isOurs =
			kind === "file" &&
			(await this.#open(path, async (file) => {
				const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
				return decodeSegmentHeader(bytes.subarray(0, await file.read(bytes, 0))) === undefined;
			}));
		const indexed = this.#shard.clean ? ((await indexedEnd(this.#work.disk, this.#shard, base)) ?? 0) : 0;
		// The journal gives back what stood here, and more of it than an index can tell.
		const held = this.#shard.ids.some((id) => this.#shard.ring.bases(id, this.#shard.shard).includes(base));
		if (held) return await this.#work.setAside(path, what);
		const known = Math.max(indexed, isOurs && size > SEGMENT_HEADER_BYTES ? size : 0);
		if (known > 0) {
			await this.#learnHead();
			await this.#work.setAside(path, what);
			await goOn(this.#work, this.#shard, this.state, base, unitsWithin(known));
			return;
		}
		// In the place where the next segment had to begin it has replaced one of ours, of whose length nothing is known.
		if ((await this.#endOf(before)) !== base) await this.#work.setAside(path, what);
	}

	/** Takes over what the segments say of the head of the shard. */
	async #learnHead(): Promise<void> {
		for (const base of await this.#bases()) {
			const verdict = await this.#judge(base);
			if (verdict.kind === "good" || verdict.kind === "lost") await this.#survey(base, verdict.tag);
		}
	}

	async #endOf(base: number | undefined): Promise<number> {
		if (base === undefined) return 0;
		const verdict = await this.#judge(base);
		if (verdict.kind !== "good" && verdict.kind !== "lost") return base;
		const { tag } = verdict;
		return base + (await this.#open(this.#path(base), (file) => surveySegment(file, tag, { ...this.state }))).relative;
	}

	/** Repairs one segment; returns the position behind it, if that can be told. */
	async #segment(base: number): Promise<number | undefined> {
		const path = this.#path(base);
		const verdict = await this.#judge(base);
		if (verdict.kind !== "good" && verdict.kind !== "lost") return undefined;
		const { tag, id } = verdict;
		const before = { ...this.state };
		if (verdict.kind === "lost") await this.#restoreHeader(base, tag, id);
		let survey = await this.#survey(base, tag);
		for (const [index, bad] of survey.bad.entries()) {
			const mended = await this.#open(path, (file) => mend(file, bad, tag, survey.size));
			const what = `one flipped bit in byte ${mended?.at} put right, as its checksums prove`;
			if (mended !== undefined) await this.#work.edit(path, what, [mended]);
			else await this.#putBack(base, { tag, id }, bad, survey.roundsBefore[index] ?? 0);
		}
		const { end: at, relative } = survey;
		const ends = survey.bad.at(-1)?.end === undefined && survey.bad.length > 0;
		const lost = { at, relative, end: undefined, next: relative };
		const more = !ends && (await this.#putBack(base, { tag, id }, lost, this.state.round));
		if (survey.bad.length > 0 || more) {
			Object.assign(this.state, before);
			survey = await this.#survey(base, tag);
		}
		for (const bad of survey.bad) await this.#restate(base, tag, bad, before, survey.size);
		return base + survey.relative;
	}

	async #restoreHeader(base: number, tag: number, streamId: Uint8Array): Promise<void> {
		const path = this.#path(base);
		const { firstTime } = await this.#open(path, (file) => surveySegment(file, tag, { ...this.state }));
		const { kind, shard } = this.#shard;
		const number = numberOfTag(streamId, shard, tag);
		const following = number === segmentNumber(base) ? undefined : await this.#following(base, firstTime);
		const header = { kind, streamId, shard, number, base, createdAt: firstTime, following };
		const what = "header of the segment written anew: its frames prove whose it is";
		await this.#work.edit(path, what, [{ at: 0, bytes: encodeSegmentHeader(header) }]);
	}

	/** How many files of a write in parts that was committed at `time` follow the one at `base`: as the next one says. */
	async #following(base: number, time: number): Promise<number> {
		const next = (await this.#bases()).find((one) => one > base);
		if (next === undefined) return 0;
		const header = await this.#open(this.#path(next), async (file) => {
			const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
			return decodeSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)));
		});
		if (header === undefined || header === "version" || header.following === undefined) return 0;
		return header.createdAt === time ? header.following + 1 : 0;
	}

	/** Makes a missing segment of frames that the journal still holds: at first only its header. */
	async #fromJournal(base: number): Promise<void> {
		const { ids, shard, kind, ring } = this.#shard;
		for (const streamId of ids) {
			const first = await ring.frame(streamId, shard, base, SEGMENT_HEADER_BYTES);
			const header = first && readFrameHeader(first.bytes, viewOf(first.bytes), 0);
			const number = segmentNumber(base);
			if (header?.tag !== segmentTag(streamId, shard, number)) continue;
			const bytes = encodeSegmentHeader({ kind, streamId, shard, number, base, createdAt: header.time });
			await this.#work.put(this.#path(base), "made anew: the journal still holds frames of it", bytes);
			return;
		}
	}

	/** Puts frames back where the journal still holds them. */
	async #putBack(
		base: number,
		{ tag, id }: { tag: number; id: Uint8Array },
		lost: Lost,
		roundBefore: number,
	): Promise<boolean> {
		const path = this.#path(base);
		const edits: Edit[] = [];
		let { at, relative } = lost;
		for (;;) {
			const held = await this.#shard.ring.frame(id, this.#shard.shard, base, at);
			const header = held && readFrameHeader(held.bytes, viewOf(held.bytes), 0);
			if (held === undefined || header === undefined || header.tag !== tag || header.relative !== relative) break;
			const end = at + frameBytes(header);
			const behind = relative + header.units;
			const fits = lost.end === undefined || (end <= lost.end && behind <= lost.next);
			if (!fits || header.round < roundBefore || !frameBodyHolds(held.bytes, 0, header)) break;
			// A round that was not synced may have been dropped by an opening: then other bytes stood here.
			if (held.unsynced && !(await this.#open(path, (file) => resembles(file, at, held.bytes)))) break;
			edits.push({ at, bytes: held.bytes });
			[at, relative] = [end, behind];
			if (at === lost.end) break;
		}
		if (edits.length === 0) return false;
		const frames = edits.length === 1 ? "a frame" : `${edits.length} frames`;
		const what = `${frames} from position ${base + lost.relative} to ${base + relative} put back from the journal`;
		await this.#work.edit(path, what, edits);
		return true;
	}

	/**
	 * A control frame whose state is destroyed and whose header holds: its type still says that the shard was sealed, and
	 * other frames what else is known.
	 */
	async #restate(base: number, tag: number, bad: BadFrame, before: KnownState, size: number): Promise<void> {
		const isCut = bad.what === "cut" && bad.at + FRAME_HEADER_BYTES <= size;
		if (!isCut && (bad.what !== "body" || bad.end === undefined || bad.end > size)) return;
		const path = this.#path(base);
		const bytes = new Uint8Array(CONTROL_BYTES);
		const frame = await this.#open(path, async (file) => bytes.subarray(0, await file.read(bytes, bad.at)));
		const header = readFrameHeader(frame, viewOf(frame), 0);
		const ours = header?.tag === tag && header.relative === bad.relative && frameBytes(header) === CONTROL_BYTES;
		if (header === undefined || !ours || header.type === FrameType.data) return;
		const sealed = before.sealed || header.type === FrameType.seal;
		const head = Math.min(this.state.head, base + header.relative);
		this.state.sealed ||= sealed;
		const says = `head ${head}, ${sealed ? "sealed" : "not sealed"}`;
		const edited = controlFrame(header, { head, timeFloor: header.time, sealed });
		await this.#work.edit(path, `a destroyed control frame written anew: ${says}`, [{ at: bad.at, bytes: edited }]);
	}

	/** Makes the end of the shard certain, if that can be. */
	async #end(newest: number | undefined): Promise<void> {
		const orphan = await this.#orphanedIndex(newest);
		if (orphan !== undefined) {
			const known =
				this.#shard.clean && !this.state.sealed ? ((await indexedEnd(this.#work.disk, this.#shard, orphan)) ?? 0) : 0;
			if (known > 0) await goOn(this.#work, this.#shard, this.state, orphan, unitsWithin(known));
			return;
		}
		const verdict = newest === undefined ? undefined : await this.#judge(newest);
		if (newest === undefined || (verdict?.kind !== "good" && verdict?.kind !== "lost")) return;
		await settleEnd(this.#work, this.#shard, newest, await this.#survey(newest, verdict.tag), this.state);
	}

	/** The base of an index without a segment that lies above the newest one: that was the newest. */
	async #orphanedIndex(newest: number | undefined): Promise<number | undefined> {
		const names = await this.#work.disk.list(this.#shard.folder).catch(() => []);
		const bases = names.map(({ name }) => baseOfIndex(name) ?? -1);
		const above = bases.filter((base) => base > (newest ?? -1)).sort((a, b) => b - a);
		for (const base of above) if (((await indexedEnd(this.#work.disk, this.#shard, base)) ?? 0) > 0) return base;
		return undefined;
	}

	async #judge(base: number): Promise<SegmentVerdict> {
		return await judgePath(this.#work.disk, this.#path(base), { ...this.#shard, base });
	}

	async #survey(base: number, tag: number): Promise<SegmentSurvey> {
		return await this.#open(this.#path(base), (file) => surveySegment(file, tag, this.state));
	}

	async #open<T>(path: string, use: (file: DiskFile) => Promise<T>): Promise<T> {
		const file = await this.#work.disk.open(path, "read");
		try {
			return await use(file);
		} finally {
			await file.close();
		}
	}
}

/** Finds the one flipped bit of a bad frame, if checksums prove it. */
async function mend(file: DiskFile, bad: BadFrame, tag: number, size: number): Promise<Edit | undefined> {
	const { at, relative, what } = bad;
	const bytes = new Uint8Array(CONTROL_BYTES);
	const frame = bytes.subarray(0, await file.read(bytes, at));
	if (what === "header") {
		const bodyCrc = (length: number): Promise<number> => crcOf(file, at + FRAME_HEADER_BYTES, length);
		const mended = await mendHeader(frame, { tag, relative, room: (bad.end ?? size) - at }, bodyCrc);
		return mended && { at: at + mended.at, bytes: mended.bytes };
	}
	const header = readFrameHeader(frame, viewOf(frame), 0);
	const mended = what === "body" && header !== undefined ? mendState(frame, header) : undefined;
	return mended && { at: at + mended.at, bytes: mended.bytes };
}

/** Tells whether a frame's header or its body stands where the frame is to be written. */
async function resembles(file: DiskFile, at: number, frame: Uint8Array): Promise<boolean> {
	const found = Buffer.alloc(frame.length);
	await file.read(found, at);
	const header = Buffer.compare(found.subarray(0, FRAME_HEADER_BYTES), frame.subarray(0, FRAME_HEADER_BYTES));
	return header === 0 || Buffer.compare(found.subarray(FRAME_HEADER_BYTES), frame.subarray(FRAME_HEADER_BYTES)) === 0;
}

async function crcOf(file: DiskFile, at: number, length: number): Promise<number> {
	const window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, Math.max(1, length)));
	let crc = 0;
	for (let done = 0; done < length; ) {
		const target = window.subarray(0, Math.min(window.length, length - done));
		const got = await file.read(target, at + done);
		if (got === 0) break;
		crc = checksum(target.subarray(0, got), crc);
		done += got;
	}
	return crc;
}
