/** Our side of a comparison: a store in a folder, with a new stream for each round. */
import {
	type ByteStream,
	type OpenOptions,
	open,
	type Producer,
	type RecordStream,
	type Scope,
	type Store,
} from "../src/index.ts";
import type { Figures, Side } from "./harness.ts";

/** A side that appends to one new stream per round; files are brought up to date outside the measured time. */
export function streamSide(
	name: string,
	options: OpenOptions,
	load: (stream: ByteStream, seconds: number) => Promise<Figures>,
): Side {
	return newStreamSide(name, options, (scope, stream) => scope.create(stream), load);
}

/** The same with a record stream of one shard. */
export function recordSide(
	name: string,
	options: OpenOptions,
	load: (stream: RecordStream, seconds: number) => Promise<Figures>,
): Side {
	return newStreamSide(name, options, (scope, stream) => scope.create(stream, { kind: "records" }), load);
}

function newStreamSide<S extends { readonly name: string }>(
	name: string,
	options: OpenOptions,
	create: (scope: Scope, name: string) => Promise<S>,
	load: (stream: S, seconds: number) => Promise<Figures>,
): Side {
	return {
		name,
		open: async (folder) => {
			const store = await open(`file:${folder}/store`, options);
			const scope = store.scope("bench");
			let round = 0;
			return {
				run: async (seconds) => {
					const stream = await create(scope, `round-${round++}`);
					const figures = await load(stream, seconds);
					await store.checkpoint();
					await scope.delete(stream.name);
					return figures;
				},
				close: () => store.close(),
			};
		},
	};
}

/** Appends `bytes` in pieces of `pieceBytes`, keeping about `inFlight` of them in flight. */
export async function fill(
	stream: ByteStream,
	bytes: number,
	pieceBytes: number,
	inFlight: number,
	producer?: Producer,
): Promise<void> {
	await using writer = stream.writer({ maxInFlightBytes: pieceBytes * inFlight, producer });
	const payload = somePayload(pieceBytes);
	for (let left = bytes; left > 0; left -= pieceBytes) {
		const ticket = writer.write(left < pieceBytes ? payload.subarray(0, left) : payload);
		if (!writer.hasRoom) await ticket;
	}
	await writer.flush();
}

/** Opens a store in `folder` for the time of `work`. */
export async function withStore<T>(
	folder: string,
	options: OpenOptions,
	work: (store: Store) => Promise<T>,
): Promise<T> {
	const store = await open(`file:${folder}`, options);
	try {
		return await work(store);
	} finally {
		await store.close();
	}
}

/** Bytes that are not all alike; the same in every run. */
export function somePayload(bytes: number): Uint8Array {
	const payload = new Uint8Array(bytes);
	let state = 1;
	for (let index = 0; index < bytes; index++) {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		payload[index] = state >>> 24;
	}
	return payload;
}
