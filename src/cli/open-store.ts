/** Opens what an address names, closes it again, and tells the nearest name when a stream is not there. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail, StreambedError } from "../core/errors.ts";
import { formatAddress } from "../core/names.ts";
import type { ByteStream, RecordStream, Store } from "../index.ts";
import { resolveStream, type StorePlace, type StreamPlace, storePathOf } from "./address.ts";
import type { CommandContext } from "./command.ts";
import { nearestStream } from "./near-stream.ts";

/** How a command opens its store. `read` works beside a running owner; `create` makes a missing store. */
export type Access = "read" | "write" | "create";

/** A stream to work with. */
export interface OpenStream {
	readonly store: Store;
	/** For byte streams; used on one of records it fails with WRONG_KIND. */
	readonly stream: ByteStream;
	/** The same for record streams. */
	readonly records: RecordStream;
	readonly place: StreamPlace;
	/** `scope/stream`. */
	readonly name: string;
}

const namesSearched = 1000;

/** Opens the store at `place`, runs `work` and closes the store. */
export async function withStore<T>(
	context: CommandContext,
	place: StorePlace,
	access: Access,
	work: (store: Store) => Promise<T>,
): Promise<T> {
	if (access !== "create") requireStore(place);
	context.out.detail(`store ${place.path}, opened to ${access}`);
	const { open } = await import("../index.ts");
	const mode = access === "read" ? "read" : "write";
	const store = await open(place.path, { mode, create: access === "create", signal: context.signal });
	let done: T;
	try {
		done = await work(store);
	} catch (error) {
		// What failed first is told, also where closing fails as well: that may only follow from it.
		await store.close().catch(() => {});
		throw error;
	}
	await store.close();
	return done;
}

/** Throws NOT_FOUND unless there is a store at `place`. */
export function requireStore(place: StorePlace): void {
	if (existsSync(join(place.path, "store.json"))) return;
	throw fail("NOT_FOUND", `no store at ${place.shown}: it holds no store.json`, {
		hint: "Name a store with --store or STREAMBED_STORE; `create` and `append` make a new one.",
		details: { path: place.path },
	});
}

/** Opens the stream at `address`, runs `work` and closes the store. Nothing is opened before its first use. */
export async function withStream<T>(
	context: CommandContext,
	address: string,
	access: Access,
	work: (open: OpenStream) => Promise<T>,
): Promise<T> {
	const place = resolveStream(address, context.address, access === "create");
	const name = formatAddress(place);
	return withStore(context, place.store, access, async (store) => {
		const scope = store.scope(place.scope);
		const stream = scope.stream(place.stream);
		try {
			return await work({ store, stream, records: scope.stream(place.stream, { kind: "records" }), place, name });
		} catch (error) {
			throw StreambedError.is(error, "STREAMBED_NOT_FOUND")
				? await withGuess(error, store, place, storePathOf(address, context.address))
				: error;
		}
	});
}

/** The handle that fits the kind of the stream. @throws NOT_FOUND */
export async function handleOf({ stream, records }: OpenStream): Promise<ByteStream | RecordStream> {
	try {
		return await stream.open();
	} catch (error) {
		if (StreambedError.is(error, "STREAMBED_WRONG_KIND")) return await records.open();
		throw error;
	}
}

/** The same error with what may have been meant in its hint: `path`, which leads to a store, or the nearest stream. */
async function withGuess(
	error: StreambedError,
	store: Store,
	place: StreamPlace,
	path: string | undefined,
): Promise<StreambedError> {
	// Something else is not there, or the stream was deleted while it was in use.
	if (error.details.stream === undefined) return error;
	const listed = await store.list({ limit: namesSearched }).catch(() => []);
	const guess = path ?? nearestStream(place, listed);
	const shown = place.store.shown;
	const hint =
		guess === undefined ? `List what is there with: streambed list --store ${shown}` : `Did you mean ${guess}?`;
	return new StreambedError(error.code, error.message, {
		hint,
		details: { ...error.details, store: shown },
		cause: error,
	});
}
