/**
 * The bytes of one file of a crash disk: as everybody reads them now, and what it takes to undo all that no sync has
 * made certain.
 *
 *     bytes      what reads see                                  ┐ a crash undoes the changes, newest first,
 *     changes    unsynced ones, in order, each with what it      │ then does some of them again, whole or in part
 *                replaced; those of other handles stay           ┘
 */
import type { SeededRandom } from "./seeded-random.ts";

/** What stood at a place before a change: `before`, then zeros up to `end`. */
interface Piece {
	readonly start: number;
	readonly end: number;
	readonly before: Uint8Array;
}

/** What a change has written: `bytes`, then zeros up to `length`. */
interface Written {
	readonly start: number;
	readonly length: number;
	readonly bytes: Uint8Array;
}

interface Change {
	/** A write, or the file was cut or extended to `length`. */
	readonly length: number | undefined;
	/** The handle that made it: only its sync makes it certain. */
	readonly handle: object;
	pieces: Piece[];
}

/** Sizes in which devices write: nothing smaller is all or nothing, and not even that is promised. */
const SECTORS = [512, 4096];

/** Nothing but zeros, for comparing. */
const ZEROS: Buffer = Buffer.alloc(64 * 1024);

/** Contents of a file. Files full of zeros, which are made to be overwritten, take no memory. */
export class CrashContent {
	/** What the file begins with; zeros follow, up to its size. */
	#bytes: Uint8Array = new Uint8Array();
	#size = 0;
	#durableSize = 0;
	#changes: Change[] = [];

	/** Bytes of the file as everybody sees it. */
	get size(): number {
		return this.#size;
	}

	/** The same contents, uncertain changes included, which go their own way from now on. */
	copy(): CrashContent {
		const copy = new CrashContent();
		copy.#bytes = this.#copy(0, this.#size);
		copy.#size = this.#size;
		copy.#durableSize = this.#durableSize;
		copy.#changes = this.#changes.map((change) => ({ ...change }));
		return copy;
	}

	/** Copies what stands at `position`; returns how much there was. */
	read(target: Uint8Array, position: number): number {
		const length = Math.max(0, Math.min(target.byteLength, this.#size - position));
		const bytes = this.#bytes.subarray(position, position + length);
		target.set(bytes);
		target.fill(0, bytes.length, length);
		return length;
	}

	/** Changes the file, for now. */
	write(data: readonly Uint8Array[], position: number, handle: object): void {
		const length = totalBytes(data);
		if (length === 0) return;
		const piece = { start: position, end: position + length, before: this.#copy(position, position + length) };
		this.#changes.push({ length: undefined, handle, pieces: [piece] });
		this.#put(data, position, length);
	}

	/** Changes the file for good, and nothing but this range of it. */
	writeDurable(data: readonly Uint8Array[], position: number): void {
		const length = totalBytes(data);
		if (length === 0) return;
		this.#put(data, position, length);
		const end = position + length;
		this.#settle((change) => change.length !== undefined);
		for (const change of this.#changes) trim(change, position, end);
		this.#changes = this.#changes.filter(isLeft);
		this.#durableSize = Math.max(this.#durableSize, end);
	}

	/** Cuts or extends, for now. */
	truncate(length: number, handle: object): void {
		const from = Math.min(length, this.#size);
		const to = Math.max(length, this.#size);
		if (from === to) return;
		this.#changes.push({ length, handle, pieces: [{ start: from, end: to, before: this.#copy(from, to) }] });
		this.#resize(length);
	}

	/** Makes certain what this handle wrote, and the size. */
	sync(handle: object): void {
		this.#settle((change) => change.handle === handle || change.length !== undefined);
		this.#durableSize = this.#size;
	}

	/** Changes one bit of what is there, as a failing medium does. */
	flip(position: number, bit: number): void {
		this.#reserve(position + 1);
		this.#bytes[position] = (this.#bytes[position] as number) ^ (1 << bit);
	}

	/** The machine stops: of what is not certain each change is there whole, in part, or not at all. */
	crash(random: SeededRandom): void {
		const after = this.#undo();
		const changes = this.#changes;
		this.#changes = [];
		for (const [index, change] of changes.entries()) {
			if (change.length === undefined) this.#survive(after[index] as readonly Written[], random);
			else if (random.chance(0.5)) this.#resize(change.length);
		}
		this.#durableSize = this.#size;
	}

	/** Takes all uncertain changes back, newest first; returns what each had written. */
	#undo(): Written[][] {
		const written: Written[][] = [];
		for (const change of this.#changes.toReversed()) {
			written.push(
				change.pieces.map(({ start, end }) => ({ start, length: end - start, bytes: this.#copy(start, end) })),
			);
			for (const { start, end, before } of change.pieces) this.#set(before, start, end);
		}
		this.#size = this.#durableSize;
		this.#bytes.fill(0, this.#size);
		return written.reverse();
	}

	#survive(pieces: readonly Written[], random: SeededRandom): void {
		const fate = random.weighted({ whole: 4, lost: 4, torn: 4 });
		const tear = fate === "torn" ? tearing(random) : undefined;
		for (const { start, length, bytes } of pieces) {
			if (fate === "lost") continue;
			for (const [from, to] of tear?.(start, length) ?? [[0, length] as const]) {
				if (to <= from) continue;
				this.#set(bytes.subarray(from, to), start + from, start + to);
				this.#size = Math.max(this.#size, start + to);
			}
			// The size may have reached the disk without the bytes.
			if (fate === "torn" && random.chance(0.25)) this.#resize(Math.max(this.#size, start + length));
		}
	}

	#settle(isCertain: (change: Change) => boolean): void {
		if (this.#changes.length === 0) return;
		const left: Change[] = [];
		for (const change of this.#changes) {
			if (!isCertain(change)) {
				left.push(change);
				continue;
			}
			if (change.length !== undefined) this.#durableSize = Math.min(this.#durableSize, change.length);
			// What came before at the same place can neither come back nor be done again.
			for (const earlier of left) {
				if (change.length !== undefined) trim(earlier, change.length, Number.POSITIVE_INFINITY);
				for (const { start, end } of change.pieces) trim(earlier, start, end);
			}
		}
		this.#changes = left.filter(isLeft);
	}

	/** What the file has there but zeros at the end. */
	#copy(start: number, end: number): Uint8Array {
		return new Uint8Array(this.#bytes.subarray(start, end));
	}

	#put(data: readonly Uint8Array[], position: number, length: number): void {
		let at = position;
		for (const bytes of data) {
			this.#set(bytes, at, at + bytes.byteLength);
			at += bytes.byteLength;
		}
		this.#size = Math.max(this.#size, position + length);
	}

	/** Puts bytes at `start`, and zeros behind them up to `end`. */
	#set(bytes: Uint8Array, start: number, end: number): void {
		if (start < this.#bytes.length || !isZeros(bytes)) {
			this.#reserve(start + bytes.byteLength);
			this.#bytes.set(bytes, start);
		}
		this.#bytes.fill(0, start + bytes.byteLength, end);
	}

	#resize(length: number): void {
		if (length < this.#size) this.#bytes.fill(0, length, this.#size);
		this.#size = length;
	}

	/** Behind the size there are zeros. */
	#reserve(bytes: number): void {
		if (bytes <= this.#bytes.length) return;
		const { length } = this.#bytes;
		const larger = new Uint8Array(Math.max(bytes, Math.min(length * 2, length + 2 ** 22), 512));
		larger.set(this.#bytes);
		this.#bytes = larger;
	}
}

function isZeros(bytes: Uint8Array): boolean {
	for (let at = 0; at < bytes.length; at += ZEROS.length) {
		const part = bytes.subarray(at, at + ZEROS.length);
		if (ZEROS.compare(part, 0, part.length, 0, part.length) !== 0) return false;
	}
	return true;
}

function totalBytes(data: readonly Uint8Array[]): number {
	return data.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function isLeft(change: Change): boolean {
	return change.length !== undefined || change.pieces.length > 0;
}

/** Takes a range out of what a change would undo. */
function trim(change: Change, from: number, to: number): void {
	if (!change.pieces.some(({ start, end }) => start < to && end > from)) return;
	change.pieces = change.pieces.flatMap((piece) => {
		const { start, end, before } = piece;
		if (start >= to || end <= from) return [piece];
		const kept: Piece[] = [];
		if (start < from) kept.push({ start, end: from, before: before.subarray(0, from - start) });
		if (end > to) kept.push({ start: to, end, before: before.subarray(to - start) });
		return kept;
	});
}

/** Ways in which a write is cut: which stretches of it are there. */
function tearing(random: SeededRandom): (start: number, length: number) => [from: number, to: number][] {
	const way = random.pick(["beginning", "end", "sectors"] as const);
	const sector = random.pick(SECTORS);
	const share = random.fraction();
	return (start, length) => {
		if (way === "beginning") return [[0, Math.floor(share * length)]];
		if (way === "end") return [[Math.ceil(share * length), length]];
		const stretches: [number, number][] = [];
		for (let from = 0; from < length; ) {
			const to = Math.min(length, from + sector - ((start + from) % sector));
			if (random.chance(0.5)) stretches.push([from, to]);
			from = to;
		}
		return stretches;
	};
}
