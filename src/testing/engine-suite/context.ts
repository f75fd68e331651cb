/** What the cases of the engine suite share: stores of their own, bytes, deadlines, expected errors. */
import type { Clock } from "../../core/clock.ts";
import { type ErrorCode, StreambedError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import type { Manifest } from "../../engine/manifest.ts";
import type { ByteStream } from "../../stream/bytes/byte-stream.ts";
import type { Store } from "../../stream/store.ts";

/** The matchers that the suite uses; those of vitest and jest fit. */
export interface SuiteMatchers {
	toBe(expected: unknown): unknown;
	toEqual(expected: unknown): unknown;
	toContain(expected: unknown): unknown;
	toBeGreaterThan(expected: number): unknown;
	toBeGreaterThanOrEqual(expected: number): unknown;
	toBeLessThanOrEqual(expected: number): unknown;
}

/** What a case asks of the store that it gets. An engine's `open` has to honour it. */
export interface SuiteStoreOptions {
	readonly limits?: Partial<Limits>;
	readonly clock?: Clock;
}

/** A store for one case. */
export interface SuiteStore {
	readonly store: Store;
	/** Closes the store and opens what it left, with the same options; for engines that persist. */
	readonly reopen?: (() => Promise<Store>) | undefined;
	/** Closes and removes everything. */
	dispose(): Promise<void>;
}

/** An engine under test, and the functions of a test framework. */
export interface EngineUnderTest {
	readonly name: string;
	/** Opens a new, empty store. */
	open(options?: SuiteStoreOptions): Promise<SuiteStore>;
	readonly manifest: Manifest;
	readonly describe: (name: string, body: () => void) => unknown;
	readonly it: (name: string, body: () => Promise<void>) => unknown;
	readonly expect: (value: unknown, message?: string) => SuiteMatchers;
}

/** What a case works with. */
export interface CaseContext {
	readonly store: Store;
	/** A new byte stream. */
	readonly stream: ByteStream;
	/** Another stream of the same store. */
	create(name: string): Promise<ByteStream>;
	reopen(): Promise<Store>;
}

/** How long a case waits for something that has to happen, in milliseconds. */
const deadlineMs = 10_000;

/** Registers cases and counts them. */
export class Suite {
	readonly engine: EngineUnderTest;
	registered = 0;
	finished = 0;

	constructor(engine: EngineUnderTest) {
		this.engine = engine;
	}

	get expect(): EngineUnderTest["expect"] {
		return this.engine.expect;
	}

	/** A group of cases. */
	area(name: string, body: () => void): void {
		this.engine.describe(name, body);
	}

	/** One case, in a store of its own with the stream `suite/stream` in it. */
	case(name: string, body: (context: CaseContext) => Promise<void>, options: SuiteStoreOptions = {}): void {
		this.registered++;
		this.engine.it(name, async () => {
			const opened = await this.engine.open(options);
			try {
				await body(await makeContext(opened));
			} finally {
				await opened.dispose();
			}
			this.finished++;
		});
	}

	/** Expects a failure with a code, and with these details among others. */
	async fails(action: PromiseLike<unknown>, code: ErrorCode, details: Record<string, unknown> = {}): Promise<void> {
		const error = await action.then(
			() => undefined,
			(reason: unknown) => reason,
		);
		this.isError(error, code, details);
	}

	/** Expects a call to throw at once. */
	throws(action: () => unknown, code: ErrorCode): void {
		let error: unknown;
		try {
			action();
		} catch (thrown) {
			error = thrown;
		}
		this.isError(error, code);
	}

	isError(error: unknown, code: ErrorCode, details: Record<string, unknown> = {}): void {
		const shown = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
		const found = StreambedError.is(error) ? error.code : `no StreambedError: ${shown}`;
		this.expect(found, shown).toBe(code);
		const of = (error as StreambedError).details;
		for (const [name, value] of Object.entries(details)) this.expect(of[name], `details.${name}`).toEqual(value);
	}

	/** Compares bytes without printing megabytes of them. */
	sameBytes(found: Uint8Array, wanted: Uint8Array): void {
		this.expect(found.length, "length").toBe(wanted.length);
		this.expect(Buffer.compare(found, wanted), "0 if the bytes are equal").toBe(0);
	}

	/** Expects a stream to hold exactly these bytes from its head on. */
	async holds(stream: ByteStream, wanted: Uint8Array): Promise<void> {
		this.sameBytes(await readAll(stream), wanted);
	}

	/** Waits for something that has to happen; fails when it takes too long. */
	async soon<T>(what: string, promise: PromiseLike<T>): Promise<T> {
		let timer: NodeJS.Timeout | undefined;
		const late = new Promise<never>((_resolve, reject) => {
			timer = setTimeout(() => reject(new Error(`${what} took more than ${deadlineMs} ms`)), deadlineMs);
		});
		try {
			return await Promise.race([promise, late]);
		} finally {
			clearTimeout(timer);
		}
	}

	/** Starts something that has to wait, gives it ample occasion to settle, and expects that it has not. */
	async waits(stream: ByteStream, promise: Promise<unknown>): Promise<void> {
		let settled = false;
		const note = (): void => {
			settled = true;
		};
		promise.then(note, note);
		for (let turn = 0; turn < 20; turn++) {
			await stream.info();
			await new Promise((resolve) => setImmediate(resolve));
		}
		this.expect(settled, "settled though it should wait").toBe(false);
	}
}

async function makeContext(opened: SuiteStore): Promise<CaseContext> {
	const { store } = opened;
	const scope = store.scope("suite");
	return {
		store,
		stream: await scope.create("stream"),
		create: (name) => scope.create(name),
		reopen: () => {
			if (opened.reopen === undefined) throw new Error("the engine persists, but the suite was given no reopen");
			return opened.reopen();
		},
	};
}

/** UTF-8 bytes of a text. */
export function bytesOf(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}

/** The text of UTF-8 bytes. */
export function textOf(bytes: Uint8Array): string {
	return new TextDecoder().decode(bytes);
}

/** Bytes that repeat late and differ by seed, so that a shift or a swap shows. */
export function pattern(length: number, seed: number = 1): Uint8Array {
	const bytes = new Uint8Array(length);
	let state = (seed * 2_654_435_761) >>> 0 || 1;
	for (let index = 0; index < length; index++) {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		bytes[index] = state & 0xff;
	}
	return bytes;
}

/** Puts arrays together. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
	return new Uint8Array(Buffer.concat(parts));
}

/** Everything between head and tail, or a range. */
export async function readAll(
	stream: ByteStream,
	range: Parameters<ByteStream["reader"]>[0] = {},
): Promise<Uint8Array> {
	return concat(await Array.fromAsync(stream.reader(range), (chunk) => new Uint8Array(chunk)));
}

/** Head and tail of a byte stream. */
export async function bounds(stream: ByteStream): Promise<[head: number, tail: number]> {
	const shard = (await stream.info()).shards[0];
	return [shard?.head ?? Number.NaN, shard?.tail ?? Number.NaN];
}
