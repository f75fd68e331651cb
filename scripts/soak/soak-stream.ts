/** A stream under soak: what is known of it, and its bytes, which tell where they belong. */
import type { ByteStream, Retention, Store } from "../../src/index.ts";
import { firstWrong, patterned } from "../../test/unit/log/pattern.ts";

const MiB = 1024 * 1024;
const PIECE = 1_000_000;

/** Scope of all streams. */
export const SCOPE = "soak";

/** Streams take turns with these. */
const retentions: readonly Retention[] = [{}, { ageMs: 20_000 }, { bytes: MiB }, {}, { maxBytes: 2 * MiB }];

/** One stream; whoever writes to it holds it. */
export class SoakStream {
	readonly number: number;
	readonly name: string;
	readonly retention: Retention;
	tail = 0;
	/** At least; where nothing but truncation moves it, exactly. */
	head = 0;
	sealed = false;
	held = false;

	constructor(number: number) {
		this.number = number;
		this.name = `group-${number % 7}/n-${number}`;
		this.retention = retentions[number % retentions.length] as Retention;
	}

	/** Its head moves by itself. */
	get expires(): boolean {
		return Object.keys(this.retention).length > 0;
	}

	of(store: Store): ByteStream {
		return store.scope(SCOPE).stream(this.name);
	}

	/** The bytes from its tail on, in pieces. */
	next(length: number): Uint8Array[] {
		const pieces: Uint8Array[] = [];
		for (let at = 0; at < length; at += PIECE) {
			pieces.push(patterned(this.number, this.tail + at, Math.min(PIECE, length - at)));
		}
		return pieces;
	}

	/** Compares what a store says of it. */
	async check(store: Store): Promise<void> {
		const { sealed, shards } = await this.of(store).info();
		const { head = Number.NaN, tail = Number.NaN } = shards[0] ?? {};
		must(tail === this.tail, `${this.name} ends at ${tail}, not at ${this.tail}`);
		must(sealed === this.sealed, `${this.name} is ${sealed ? "" : "not "}sealed`);
		must(head >= this.head && head <= tail, `${this.name} begins at ${head}; it began at ${this.head}`);
		if (!this.expires) must(head === this.head, `${this.name} begins at ${head}, not at ${this.head}`);
		const stays = Math.min(tail, this.retention.bytes ?? 0);
		must(tail - head >= stays, `${this.name} has ${tail - head} bytes left, ${stays} were to stay`);
		this.head = head;
	}
}

/** Number of a stream by its name. */
export function numberOf(name: string): number {
	return Number(name.slice(name.lastIndexOf("-") + 1));
}

/** Fails where bytes are not those of their stream at their offset. */
export function checkBytes(number: number, offset: number, bytes: Uint8Array): void {
	const wrong = firstWrong(number, offset, bytes);
	must(wrong === undefined, `stream ${number} has a wrong byte at ${wrong}`);
}

/** Fails the run. */
export function must(holds: boolean, otherwise: string): asserts holds {
	if (!holds) throw new Error(otherwise);
}
