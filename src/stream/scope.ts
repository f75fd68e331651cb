/** A scope: the streams under one name. */
import { fail, StreambedError } from "../core/errors.ts";
import { checkScopeName, checkStreamName, formatAddress, type StreamAddress } from "../core/names.ts";
import { describe, rejectUnknown, requireInteger } from "../core/options.ts";
import { bytes } from "../core/serializer.ts";
import { resolveStreamConfig, type StreamConfig, type StreamKind, type StreamOptions } from "../core/stream-config.ts";
import type { EngineStream, StreamInfo, StreamSummary } from "../engine/contract.ts";
import { ByteStream } from "./bytes/byte-stream.ts";
import { RecordStream } from "./records/record-stream.ts";
import { checkForce, refuseConfig } from "./refusals.ts";
import { type StoreContext, StreamAccess } from "./stream-access.ts";

/** Which streams to list. */
export interface ListOptions {
	/** Only streams whose name begins like this. */
	readonly prefix?: string | undefined;
	/** Only streams after this name: the last one of the page before. */
	readonly after?: string | undefined;
	/** At most so many. Default 1,000. */
	readonly limit?: number | undefined;
}

/** Which kind of stream a handle is to. */
export interface KindOption {
	readonly kind?: StreamKind | undefined;
}

/** The handle to a stream with these options: of bytes, unless they say records. */
export type StreamOf<O> = O extends { readonly kind: infer K }
	? K extends "records"
		? RecordStream
		: ByteStream
	: "kind" extends keyof O
		? ByteStream | RecordStream
		: ByteStream;

/** Streams in a page of a listing when nothing else is asked for. */
const defaultListLimit: number = 1000;

/** The streams under one name. Costs nothing and needs no closing; a scope exists while it has a stream. */
export class Scope {
	/** The scope's name. */
	readonly name: string;
	readonly #context: StoreContext;

	/** Made by `store.scope()`. */
	constructor(context: StoreContext, name: string) {
		this.name = checkScopeName(name);
		this.#context = context;
	}

	/**
	 * Makes a stream, durably, and returns it open.
	 * @throws EXISTS, INVALID_NAME, INVALID_OPTION, UNSUPPORTED, READ_ONLY, DISK_FULL
	 */
	async create<const O extends StreamOptions = { readonly kind: "bytes" }>(
		stream: string,
		options?: O,
	): Promise<StreamOf<O>> {
		const address = this.#address(stream);
		const config = this.#config(address, options ?? {});
		return handleOf<O>(await this.#create(address, config), config.kind);
	}

	/**
	 * Returns a stream, made if it is missing. One that exists must have the settings that are given; those that are
	 * left out may be what they are.
	 * @throws EXISTS{different} if a setting differs
	 */
	async ensure<const O extends StreamOptions = { readonly kind: "bytes" }>(
		stream: string,
		options?: O,
	): Promise<StreamOf<O>> {
		const address = this.#address(stream);
		const given: StreamOptions = options ?? {};
		const config = this.#config(address, given);
		// Between looking and making, another may make or delete it: look again, but not for ever.
		for (let tries = 3; ; tries--) {
			const existing = await this.#openIfThere(address);
			if (existing !== undefined) {
				refuseDifferent(await existing.info(), config, given);
				return handleOf<O>(new StreamAccess(this.#context, address, config.kind, existing), config.kind);
			}
			try {
				return handleOf<O>(await this.#create(address, config), config.kind);
			} catch (error) {
				if (tries === 0 || !StreambedError.is(error, "STREAMBED_EXISTS")) throw error;
			}
		}
	}

	/**
	 * A handle to a stream, which need not exist before its first use: of a byte stream, or of one of `{ kind: "records" }`.
	 * Using a stream of the other kind is refused with WRONG_KIND.
	 */
	stream<const O extends KindOption = { readonly kind: "bytes" }>(name: string, options?: O): StreamOf<O> {
		const { kind = "bytes", ...more }: KindOption = options ?? {};
		rejectUnknown(more, ["kind"], "the options of stream");
		const config = resolveStreamConfig({ kind });
		return handleOf<O>(new StreamAccess(this.#context, this.#address(name), config.kind), config.kind);
	}

	/** Streams of this scope in the order of their names (by UTF-16 code units). */
	async list(options: ListOptions = {}): Promise<readonly StreamSummary[]> {
		const { prefix, after, limit } = checkListOptions(options);
		this.#context.assertOpen();
		return await this.#context.engine.listStreams({
			scope: this.name,
			limit,
			...(prefix === undefined ? {} : { prefix }),
			...(after === undefined ? {} : { after: { scope: this.name, stream: after } }),
		});
	}

	/**
	 * Deletes a stream with all its data; handles to it fail with NOT_FOUND from then on. A prepared write in parts stands
	 * against it, unless `force` is true. @throws NOT_FOUND, TXN_STATE
	 */
	async delete(name: string, options: { readonly force?: boolean | undefined } = {}): Promise<void> {
		const force = checkForce(options, "the options of delete");
		const address = this.#address(name);
		this.#context.assertOpen();
		await this.#context.engine.deleteStream(address, force);
	}

	#address(stream: string): StreamAddress {
		return { scope: this.name, stream: checkStreamName(stream) };
	}

	#config(address: StreamAddress, options: StreamOptions): StreamConfig {
		const config = resolveStreamConfig(options);
		refuseConfig(config, this.#context.engine.manifest, `creation of ${formatAddress(address)}`);
		return config;
	}

	async #create(address: StreamAddress, config: StreamConfig): Promise<StreamAccess> {
		this.#context.assertOpen();
		const created = await this.#context.engine.createStream(address, config);
		return new StreamAccess(this.#context, address, config.kind, created);
	}

	async #openIfThere(address: StreamAddress): Promise<EngineStream | undefined> {
		this.#context.assertOpen();
		try {
			return await this.#context.engine.openStream(address);
		} catch (error) {
			if (StreambedError.is(error, "STREAMBED_NOT_FOUND")) return undefined;
			throw error;
		}
	}
}

function handleOf<O>(access: StreamAccess, kind: StreamKind): StreamOf<O> {
	const handle = kind === "bytes" ? new ByteStream(access) : new RecordStream(access, bytes);
	return handle as StreamOf<O>;
}

/** Checks what a user gave to a listing. */
export function checkListOptions(given: ListOptions): { prefix?: string; after?: string; limit: number } {
	rejectUnknown(given, ["prefix", "after", "limit"], "the options of list");
	for (const name of ["prefix", "after"] as const) {
		const value = given[name];
		if (value !== undefined && typeof value !== "string") {
			throw fail("INVALID_OPTION", `${name} must be a string, not ${describe(value)}`, { details: { option: name } });
		}
	}
	return {
		limit: requireInteger(given.limit ?? defaultListLimit, "limit", 1),
		...(given.prefix === undefined ? {} : { prefix: given.prefix }),
		...(given.after === undefined ? {} : { after: given.after }),
	};
}

function refuseDifferent(info: StreamInfo, wanted: StreamConfig, given: StreamOptions): void {
	const found: StreamConfig = { ...info, shards: info.shards.length };
	const different = (Object.keys(given) as (keyof StreamConfig)[]).filter(
		(name) => given[name] !== undefined && canonical(found[name]) !== canonical(wanted[name]),
	);
	if (different.length === 0) return;
	const list = different.map((name) => `${name} is ${canonical(found[name])}, not ${canonical(wanted[name])}`);
	throw fail("EXISTS", `${formatAddress(info)} exists with other settings: ${list.join("; ")}`, {
		hint: "Leave out what may differ; a program can change it with `update`.",
		details: { different },
	});
}

/** A value as text, with the keys of an object in order. */
function canonical(value: unknown): string {
	if (typeof value !== "object" || value === null) return JSON.stringify(value);
	return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
}
