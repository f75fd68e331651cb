/** What a verification has found so far: counts, problems, progress. */
import { abortError } from "../../core/abort.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { hasCode } from "../../disk/system-error.ts";
import { damagedAt, FOLDER_IN_PLACE, ioError } from "../format/corruption.ts";

/** Problems that are kept; more are counted as the last one says. */
const PROBLEMS_MAX = 1000;

/** Something that is wrong with stored bytes. */
export interface VerifyProblem {
	readonly code: ErrorCode;
	readonly path: string;
	/** Bytes from the beginning of the file. */
	readonly offset: number;
	readonly message: string;
}

/** How far a verification has come, in bytes of segment files; the total is what there was when it began. */
export interface VerifyProgress {
	readonly bytes: number;
	readonly totalBytes: number;
}

/** Outcome of a verification. */
export interface VerifyResult {
	/** No problem was found. */
	readonly ok: boolean;
	readonly streams: number;
	readonly segments: number;
	readonly frames: number;
	/** Bytes of segment files that were read. */
	readonly bytes: number;
	/** Bytes of the journal's last round, which was never completed: the next owner drops them. No problem. */
	readonly tailCutBytes: number;
	readonly problems: readonly VerifyProblem[];
}

/** The result in the making. */
export class VerifyReport {
	streams = 0;
	segments = 0;
	frames = 0;
	bytes = 0;
	tailCutBytes = 0;
	totalBytes = 0;
	readonly problems: VerifyProblem[] = [];
	readonly #onProgress: ((progress: VerifyProgress) => void) | undefined;
	readonly #signal: AbortSignal | undefined;

	constructor(onProgress: ((progress: VerifyProgress) => void) | undefined, signal: AbortSignal | undefined) {
		this.#onProgress = onProgress;
		this.#signal = signal;
	}

	/** Notes damage. */
	damage(path: string, offset: number, message: string): void {
		this.#add({ code: "STREAMBED_CORRUPT", path, offset, message });
	}

	/** Notes an error met at a file, unless it ends the verification. */
	error(error: unknown, path: string, offset: number): void {
		const { cause = error } = error as { cause?: unknown };
		if (hasCode(cause, "EISDIR")) return this.damage(path, offset, FOLDER_IN_PLACE);
		const ours = ioError(error, `reading ${path}`);
		if (ours.code === "STREAMBED_ABORTED") throw ours;
		const { details, code, message } = ours;
		const where = typeof details.path === "string" ? details.path : path;
		const at = typeof details.offset === "number" ? details.offset : offset;
		const again = damagedAt(where, at);
		const what = message.startsWith(again) ? message.slice(again.length) : message;
		this.#add({ code, path: where, offset: at, message: what });
	}

	/** Notes bytes read. @throws ABORTED */
	read(bytes: number): void {
		if (this.#signal?.aborted) throw abortError(this.#signal, "checking the store");
		this.bytes += bytes;
		this.#onProgress?.({ bytes: this.bytes, totalBytes: Math.max(this.bytes, this.totalBytes) });
	}

	/** Tells that `bytes` more have been read than is noted yet. */
	progress(bytes: number): void {
		const now = this.bytes + bytes;
		this.#onProgress?.({ bytes: now, totalBytes: Math.max(now, this.totalBytes) });
	}

	/** Takes over what another report holds. */
	add(other: VerifyReport): void {
		this.segments += other.segments;
		this.frames += other.frames;
		this.bytes += other.bytes;
		for (const problem of other.problems) this.#add(problem);
	}

	result(): VerifyResult {
		const { streams, segments, frames, bytes, tailCutBytes, problems } = this;
		return { ok: problems.length === 0, streams, segments, frames, bytes, tailCutBytes, problems };
	}

	/** One problem a place: who meets the same damage later has nothing to add. */
	#add(problem: VerifyProblem): void {
		const { code, path, offset } = problem;
		const last = this.problems.findLast((one) => one.path === path);
		if (last?.code === code && last.offset === offset) return;
		if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
		if (this.problems.length < PROBLEMS_MAX) return;
		this.problems[PROBLEMS_MAX - 1] = { ...problem, message: `${problem.message}; and more, which are not listed` };
	}
}
