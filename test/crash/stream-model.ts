/** What is known of streams whose writer may die at any moment: what was asked for, and what was promised. */
import { expect } from "vitest";
import { type ByteStream, type Store, StreambedError } from "../../src/index.ts";
import { firstWrong } from "../unit/log/pattern.ts";

/** One stream. Its bytes are those of the pattern with its number. */
export class StreamModel {
	readonly name: string;
	readonly number: number;
	/** Where appends that were handed over end, ascending; 0 is always there. */
	readonly ends: number[] = [0];
	/** Ends of acknowledged appends lie at or below. */
	acknowledged = 0;
	/** Heads that were asked for; one of them is the head, or 0. */
	readonly heads: number[] = [0];
	head = 0;
	sealAsked = false;
	sealed = false;
	createAsked = false;
	created = false;
	deleteAsked = false;
	deleted = false;
	/** Where appends end is known. If not, any tail up to what was fed is right. */
	wholeAppends = true;
	/** From here on all appends are so long. */
	equal: { readonly from: number; readonly bytes: number } | undefined;

	constructor(name: string, number: number) {
		this.name = name;
		this.number = number;
	}

	/** Where the next append begins if none fails. */
	get next(): number {
		return this.ends.at(-1) as number;
	}

	submitted(to: number): void {
		this.ends.push(to);
	}

	acknowledge(to: number): void {
		this.acknowledged = Math.max(this.acknowledged, to);
	}

	truncateAsked(at: number): void {
		this.heads.push(at);
	}

	truncated(at: number): void {
		this.head = Math.max(this.head, at);
	}

	/** Checks a store that was opened after the death of its writer; then what was found is what is known. */
	async check(store: Store, scope: string, context: string): Promise<void> {
		const stream = store.scope(scope).stream(this.name);
		const info = await stream.info().catch((error: unknown) => {
			if (StreambedError.is(error, "STREAMBED_NOT_FOUND")) return undefined;
			throw error;
		});
		const about = `${context}: ${scope}/${this.name}`;
		if (info === undefined) {
			expect(this.created && !this.deleteAsked, `${about} is gone`).toBe(false);
			return;
		}
		expect(this.deleted, `${about} was deleted and is there`).toBe(false);
		expect(this.createAsked, `${about} was never created`).toBe(true);
		const { head, tail } = info.shards[0] ?? { head: Number.NaN, tail: Number.NaN };
		this.settle(head, tail, info.sealed, about);
		await this.#checkBytes(stream, head, tail, about);
		await this.#checkBorders(stream, about);
	}

	/** Checks the state in which the stream was found after a death; it survives every further one. */
	settle(head: number, tail: number, sealed: boolean, about: string): void {
		expect(tail, `${about}: acknowledged bytes are gone`).toBeGreaterThanOrEqual(this.acknowledged);
		if (this.wholeAppends) expect(this.ends.includes(tail), `${about}: the tail ${tail} cuts an append`).toBe(true);
		expect(tail, `${about}: more than was ever appended`).toBeLessThanOrEqual(this.next);
		expect(this.heads.includes(head), `${about}: nobody asked for the head ${head}`).toBe(true);
		expect(head, `${about}: a truncation is undone`).toBeGreaterThanOrEqual(this.head);
		if (this.sealed) expect(sealed, `${about}: a seal is undone`).toBe(true);
		if (sealed) expect(this.sealAsked, `${about}: nobody sealed it`).toBe(true);
		this.created = this.createAsked = true;
		this.acknowledged = tail;
		this.ends.splice(0, this.ends.length, ...this.ends.filter((end) => end <= tail));
		this.head = head;
		this.heads.splice(0, this.heads.length, ...this.heads.filter((asked) => asked <= head));
		this.sealed = this.sealAsked = sealed;
	}

	async #checkBytes(stream: ByteStream, head: number, tail: number, about: string): Promise<void> {
		let at = head;
		const reader = stream.reader({ to: { offset: tail } });
		for await (const chunk of reader) {
			expect(firstWrong(this.number, at, chunk), `${about}: wrong byte`).toBeUndefined();
			at += chunk.length;
		}
		expect(at, `${about}: reading ended early`).toBe(tail);
	}

	/** Two appends in place of one are as bad as half of one, though they end at the same place. */
	async #checkBorders(stream: ByteStream, about: string): Promise<void> {
		if (this.equal === undefined) return;
		const { from, bytes } = this.equal;
		for await (const append of stream.appends({ from: { offset: from } })) {
			expect(append.bytes.length, `${about}: the append at ${append.offset}`).toBe(bytes);
		}
	}
}
