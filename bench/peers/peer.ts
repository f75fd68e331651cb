/** Embedded databases that records could be kept in instead: numbered payloads, in order. */
import { performance } from "node:perf_hooks";
import { type Figures, type Side, SideMissing } from "../harness.ts";
import type { RunSettings } from "../scenario.ts";
import { Latencies } from "../statistics.ts";

/** A kind of database. */
export interface Peer {
	readonly name: string;
	/** Opens one in an empty folder. */
	open(folder: string, durability: RunSettings["durability"]): Promise<PeerStore>;
}

/** An open database. */
export interface PeerStore {
	/** Stores a payload so many times behind those that are there; resolves when all of them are durable. */
	append(payload: Uint8Array, count: number): Promise<void>;
	/** Reads everything in order and looks at each payload; tells how many bytes they have. */
	scan(): Promise<number>;
	/** Forgets everything. */
	clear(): Promise<void>;
	close(): Promise<void>;
}

/** What is appended in a round. */
export interface PeerLoad {
	readonly payload: Uint8Array;
	/** Payloads that are handed over together, and awaited together. */
	readonly inFlight: number;
	/** Of such calls, how many are under way. Default 1. */
	readonly calls?: number;
	readonly durability: RunSettings["durability"];
}

/** A side that appends to an empty database in each round. */
export function peerAppends(peer: Peer, { payload, inFlight, calls = 1, durability }: PeerLoad): Side {
	return {
		name: peer.name,
		open: async (folder) => {
			const store = await peer.open(folder, durability);
			return {
				run: async (seconds) => {
					const latencies = new Latencies();
					const start = performance.now();
					const deadline = start + seconds * 1000;
					let count = 0;
					const loop = async (): Promise<void> => {
						for (let began = start; began < deadline; ) {
							await store.append(payload, inFlight);
							count += inFlight;
							const now = performance.now();
							latencies.add(now - began);
							began = now;
						}
					};
					await Promise.all(Array.from({ length: calls }, loop));
					const rate = (count * 1000) / (performance.now() - start);
					await store.clear();
					return { ...latencies.figures(), rate };
				},
				close: () => store.close(),
			};
		},
	};
}

/** A side that reads `count` payloads in order; they are written before its first round. */
export function peerReads(peer: Peer, payload: Uint8Array, count: number): Side {
	return {
		name: peer.name,
		open: async (folder) => {
			const store = await peer.open(folder, "os");
			for (let left = count; left > 0; left -= 10_000) await store.append(payload, Math.min(10_000, left));
			return {
				run: () => rateOfReading(() => store.scan(), payload, count),
				close: () => store.close(),
			};
		},
	};
}

/** Records a second of something that reads `count` payloads and tells their bytes. */
export async function rateOfReading(read: () => Promise<number>, payload: Uint8Array, count: number): Promise<Figures> {
	const start = performance.now();
	const bytes = await read();
	if (bytes !== count * payload.length) throw new Error(`read ${bytes} bytes of ${count * payload.length}`);
	return { rate: (count * 1000) / (performance.now() - start) };
}

/** A package whose compiled part may be missing on this machine. @throws SideMissing */
export async function loadPeer<T>(name: string, load: () => Promise<T>): Promise<T> {
	try {
		return await load();
	} catch (error) {
		throw new SideMissing(`${name} cannot be loaded here: ${(error as Error).message.split("\n")[0]}`);
	}
}

/** Numbers as keys whose order is that of their bytes. */
export function keyBytes(number: number): Buffer {
	const key = Buffer.allocUnsafe(8);
	key.writeUInt32BE(Math.floor(number / 2 ** 32), 0);
	key.writeUInt32BE(number >>> 0, 4);
	return key;
}
