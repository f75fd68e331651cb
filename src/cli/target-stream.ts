/** The stream that a command stores into: where it is missing it is made, but not for input that is refused. */
import { fail, StreambedError } from "../core/errors.ts";
import { Producers } from "../core/producers.ts";
import type { ProducerTriple, StreamKind } from "../index.ts";
import type { CommandContext } from "./command.ts";
import type { OpenStream } from "./open-store.ts";

/** A stream that is there, or will be once there is something right to store. */
export class TargetStream {
	readonly #context: CommandContext;
	readonly #open: OpenStream;
	readonly #kind: StreamKind;
	#missing = false;

	private constructor(context: CommandContext, open: OpenStream, kind: StreamKind) {
		this.#context = context;
		this.#open = open;
		this.#kind = kind;
	}

	/** Looks whether it is there; with `create` it need not be. @throws WRONG_KIND, NOT_FOUND */
	static async find(
		context: CommandContext,
		open: OpenStream,
		kind: StreamKind,
		{ create }: { readonly create: boolean },
	): Promise<TargetStream> {
		const target = new TargetStream(context, open, kind);
		try {
			await (kind === "bytes" ? open.stream : open.records).open();
		} catch (error) {
			if (!create || !StreambedError.is(error, "STREAMBED_NOT_FOUND")) throw error;
			target.#missing = true;
		}
		return target;
	}

	/** It is not there yet. As the store is this process's, nobody else makes it meanwhile. */
	get missing(): boolean {
		return this.#missing;
	}

	/** Shards that it has, or will have. */
	async shards(): Promise<number> {
		if (this.#missing) return 1;
		return (await this.#open.records.info()).shards.length;
	}

	/** Makes it if it is missing, and says so. */
	async make(): Promise<void> {
		if (!this.#missing) return;
		const { store, place, name } = this.#open;
		await store.scope(place.scope).create(place.stream, { kind: this.#kind });
		this.#missing = false;
		this.#context.out.say(`created ${name} in ${place.store.shown}`);
	}
}

/** Refuses conditions that the first append to a stream that is about to be made cannot meet. @throws POSITION_MISMATCH, PRODUCER_GAP */
export function requireBeginning(
	name: string,
	{ expect, producer }: { readonly expect: number | undefined; readonly producer: ProducerTriple | undefined },
): void {
	if (expect !== undefined && expect !== 0) {
		throw fail(
			"POSITION_MISMATCH",
			`append to ${name} expected the tail at ${expect}; it is missing, and begins at 0`,
			{
				details: { expected: expect, tail: 0 },
			},
		);
	}
	const verdict = producer && new Producers(name).check(producer);
	if (verdict?.kind === "refused") throw verdict.error;
}
