/**
 * Reads ring files in windows, the next one while the last is being worked on: a journal may consist of tens of thousands
 * of small rounds, and a read for each of them would take longer than all else that opening does.
 *
 * A window begins with a round and ends anywhere; where the next one has to begin is told by the headers in it. Memory of
 * windows is used again, so that it stays in the processor's cache.
 */
import type { DiskFile } from "../../disk/disk.ts";
import { ROUND_ALIGN, ROUND_HEADER_BYTES, readRoundHeader, roundBytes } from "./round.ts";

const MiB = 1024 * 1024;
/** A window is so large, or as large as the round that it begins with and the header behind it. */
const WINDOW_BYTES: number = MiB;
/** Larger ones are not read ahead, and their memory is not kept. */
const KEPT_BYTES: number = 16 * MiB;
/** One is being worked on, one is being read, and of one what was found may still be on its way to somewhere. */
const WINDOWS = 3;

/** A file to read from, with its size. */
export interface WindowFile {
	readonly file: DiskFile;
	readonly bytes: number;
}

interface Window {
	readonly from: WindowFile;
	readonly offset: number;
	readonly memory: Buffer;
	/** What was read: less than asked for only where the file ends early. */
	readonly bytes: Buffer;
}

/** What is read ahead. */
interface Ahead {
	readonly from: WindowFile;
	readonly offset: number;
	readonly length: number;
	readonly window: Promise<Window>;
}

/** The windows of one walk. */
export class JournalWindows {
	/** Called when the memory of a window is to be used again: resolves once nobody needs what it holds. */
	reuse: () => Promise<void> = () => Promise.resolve();
	readonly #free: Promise<Buffer>[] = [];
	#made = 0;
	#current: Window | undefined;
	#ahead: Ahead | undefined;

	/** The first bytes of what may be a round; fewer at the end of the file. */
	async head(from: WindowFile, offset: number): Promise<Uint8Array> {
		const held = heldBy(this.#current, from, offset, ROUND_HEADER_BYTES);
		if (held !== undefined) return held;
		if (this.#ahead?.from === from && this.#ahead.offset === offset) {
			const { bytes } = await this.#ahead.window;
			return bytes.subarray(0, ROUND_HEADER_BYTES);
		}
		const head = new Uint8Array(ROUND_HEADER_BYTES);
		return head.subarray(0, await from.file.read(head, offset));
	}

	/** The bytes of a round, valid until {@link reuse} has resolved after a later call; fewer at the end of the file. */
	async round(from: WindowFile, offset: number, length: number): Promise<Buffer> {
		const held = heldBy(this.#current, from, offset, length);
		if (held !== undefined) return held;
		const ahead = this.#ahead;
		this.#ahead = undefined;
		this.#giveBack(this.#current, true);
		this.#current = undefined;
		const read = await ahead?.window;
		if (ahead?.from === from && ahead.offset === offset && ahead.length >= length) this.#current = read;
		else this.#giveBack(read, false);
		this.#current ??= await this.#read(from, offset, Math.min(windowBytes(length), from.bytes - offset));
		this.#readAhead(this.#current);
		return this.#current.bytes.subarray(0, length);
	}

	/** Resolves once nothing is being read any more; what is read next is another walk's. */
	async end(): Promise<void> {
		const ahead = this.#ahead;
		this.#ahead = undefined;
		this.#giveBack(this.#current, true);
		this.#current = undefined;
		this.#giveBack(await ahead?.window.catch(() => undefined), false);
	}

	/** Begins to read the window that follows, with the first round that is not wholly in this one. */
	#readAhead({ from, offset, bytes }: Window): void {
		let at = 0;
		let length = 0;
		for (;;) {
			const header = at + ROUND_HEADER_BYTES <= bytes.length ? readRoundHeader(bytes, at) : undefined;
			// A guess until the walk comes there: where it is wrong, the walk reads anew.
			if (header === undefined) break;
			length = roundBytes(header.envelopes, header.bodyBytes);
			if (at + length > bytes.length) break;
			at += length;
		}
		const next = offset + at;
		const wanted = windowBytes(length);
		if (at === 0 || wanted > KEPT_BYTES || next + ROUND_ALIGN > from.bytes) return;
		const most = Math.min(wanted, from.bytes - next);
		const window = this.#read(from, next, most);
		// Who awaits it comes later, or never.
		window.catch(() => {});
		this.#ahead = { from, offset: next, length: most, window };
	}

	async #read(from: WindowFile, offset: number, length: number): Promise<Window> {
		const memory = await this.#memory(length);
		const got = await from.file.read(memory.subarray(0, length), offset);
		return { from, offset, memory, bytes: memory.subarray(0, got) };
	}

	async #memory(length: number): Promise<Buffer> {
		const free = this.#made < WINDOWS ? undefined : await this.#free.shift();
		if (free !== undefined && free.length >= length) return free;
		if (free === undefined) this.#made++;
		return Buffer.allocUnsafeSlow(Math.max(WINDOW_BYTES, 2 ** Math.ceil(Math.log2(length))));
	}

	/** `used`: somebody may have been given what it holds. */
	#giveBack(window: Window | undefined, used: boolean): void {
		if (window === undefined) return;
		const { memory } = window;
		const kept = memory.length <= KEPT_BYTES ? memory : Buffer.alloc(0);
		const free = used ? this.reuse().then(() => kept) : Promise.resolve(kept);
		free.catch(() => {});
		this.#free.push(free);
	}
}

/** Length of a window that begins with a round of `length` bytes: the header of the next round is in it as well. */
function windowBytes(length: number): number {
	return Math.max(length + ROUND_ALIGN, WINDOW_BYTES);
}

/** What a window holds of the bytes asked for, if all. */
function heldBy(window: Window | undefined, from: WindowFile, offset: number, length: number): Buffer | undefined {
	if (window === undefined || window.from !== from) return undefined;
	const at = offset - window.offset;
	return at >= 0 && at + length <= window.bytes.length ? window.bytes.subarray(at, at + length) : undefined;
}
