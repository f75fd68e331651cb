/** What one engine read brought and a reader has not yet given out: runs that follow on one another. */
import type { ReadData, Run } from "../../engine/contract.ts";

/** Pieces from here on are handed out as views; smaller ones are copied together: a call costs as much as copying this. */
const viewBytes: number = 16 * 1024;

/** Bytes in memory, given out from the front. */
export class RunBuffer {
	#runs: readonly Run[] = [];
	#first = 0;
	/** Of the next byte to be given out. */
	#position = 0;
	#length = 0;
	/** Says that the runs' memory may be used again: only where all of it was copied. */
	#release: (() => void) | undefined;

	/** Bytes that are left. */
	get length(): number {
		return this.#length;
	}

	/** Takes what was read at `position`, in place of what there was. */
	fill({ runs, release }: ReadData, position: number): void {
		this.clear();
		this.#runs = runs;
		this.#release = release;
		this.#position = position;
		for (const run of runs) this.#length += run.bytes.length;
	}

	clear(): void {
		this.#runs = [];
		this.#first = 0;
		this.#length = 0;
		this.#release?.();
		this.#release = undefined;
	}

	/** At most `limit` bytes, which must be there: a view of a large run, or small runs copied together. */
	take(limit: number): Uint8Array {
		let length = Math.min(limit, this.#rest(this.#first));
		if (length >= viewBytes) {
			const run = this.#runs[this.#first] as Run;
			const start = this.#position - run.offset;
			this.#release = undefined;
			this.skip(length);
			return run.bytes.subarray(start, start + length);
		}
		for (let index = this.#first + 1; length < limit && index < this.#runs.length; index++) {
			const rest = this.#rest(index);
			if (rest >= viewBytes) break;
			length = Math.min(limit, length + rest);
		}
		// Not zeroed first: all of it is written.
		const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
		this.copyTo(bytes);
		return bytes;
	}

	/** Fills `target`, which must not be longer than what is there. */
	copyTo(target: Uint8Array): void {
		for (let filled = 0; filled < target.length; ) {
			const run = this.#runs[this.#first] as Run;
			const start = this.#position - run.offset;
			const piece = run.bytes.subarray(start, start + target.length - filled);
			target.set(piece, filled);
			filled += piece.length;
			this.skip(piece.length);
		}
	}

	/** Drops `count` bytes from the front, which must be there. */
	skip(count: number): void {
		this.#position += count;
		this.#length -= count;
		while (this.#first < this.#runs.length && this.#rest(this.#first) <= 0) this.#first++;
		if (this.#length === 0) this.clear();
	}

	/** Bytes of a run that are left. */
	#rest(index: number): number {
		const run = this.#runs[index];
		return run === undefined ? 0 : run.bytes.length - Math.max(0, this.#position - run.offset);
	}
}
