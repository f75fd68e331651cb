/** Records beside the embedded databases that they could be kept in instead, with the same durability, in the same minutes. */
import { recordLoops, recordPipeline } from "../appenders.ts";
import type { Case, Side } from "../harness.ts";
import { leveldb } from "../peers/leveldb.ts";
import { lmdb } from "../peers/lmdb.ts";
import { type Peer, peerAppends, peerReads } from "../peers/peer.ts";
import { rocksdb } from "../peers/rocksdb.ts";
import { sqlite } from "../peers/sqlite.ts";
import { kib, type RunSettings, type Scenario, sizeName } from "../scenario.ts";
import { recordSide, somePayload } from "../stores.ts";
import { readBatches, recordReads } from "./records-read.ts";

const peers: readonly Peer[] = [sqlite, lmdb, rocksdb, leveldb];
const single = "streambed, records one after the other";
const piped = "streambed, writer of records";
const batches = "streambed, batches of records";
const batch = 1000;
const calls = 4;

export const recordsPeers: Scenario = {
	name: "records-peers",
	summary: "records beside SQLite, LMDB, RocksDB and LevelDB with the same durability",
	cases: (settings) => (settings.quick ? [100] : [100, kib]).flatMap((bytes) => casesOf(bytes, settings)),
};

function casesOf(bytes: number, settings: RunSettings): Case[] {
	const counts = settings.quick ? [256] : [1, 16, 256, 4096];
	return [
		...counts.map((inFlight) => inFlightCase(bytes, inFlight, settings)),
		batchCase(bytes, settings),
		readCase(bytes, settings),
	];
}

/** The peers get the friendliest form of so many in flight: handed over together, and awaited together. */
function inFlightCase(bytes: number, inFlight: number, { durability }: RunSettings): Case {
	const payload = somePayload(bytes);
	const alone = inFlight === 1;
	const ours = recordSide(alone ? single : piped, { durability }, (stream, seconds) =>
		alone ? recordLoops(stream, payload, 1, seconds) : recordPipeline(stream, payload, inFlight, seconds),
	);
	const sides = [ours, ...peers.map((peer) => peerAppends(peer, { payload, inFlight, durability }))];
	return peerCase(`${sizeName(bytes)}/${inFlight}`, sides, { bytes, inFlight }, alone ? "p50" : "rate");
}

/** Each batch is a call that waits for itself; four are under way. */
function batchCase(bytes: number, { durability }: RunSettings): Case {
	const payload = somePayload(bytes);
	const sides = [
		recordSide(batches, { durability }, (stream, seconds) => recordLoops(stream, payload, calls, seconds, batch)),
		...peers.map((peer) => peerAppends(peer, { payload, inFlight: batch, calls, durability })),
	];
	return peerCase(`${sizeName(bytes)}/batches`, sides, { bytes, batch, callsInFlight: calls }, "rate");
}

function readCase(bytes: number, { durability, quick }: RunSettings): Case {
	const payload = somePayload(bytes);
	const records = quick ? 20_000 : bytes < kib ? 1_000_000 : 250_000;
	const ours = recordReads(payload, records, durability).filter(({ name }) => name === readBatches);
	const sides = [...ours, ...peers.map((peer) => peerReads(peer, payload, records))];
	return peerCase(`${sizeName(bytes)}/catch-up`, sides, { bytes, records }, "rate");
}

function peerCase(name: string, sides: readonly Side[], settings: Case["settings"], metric: "rate" | "p50"): Case {
	const [ours, ...others] = sides as readonly [Side, ...Side[]];
	return {
		name: `records-peers/${name}`,
		sides,
		pairs: others.map((other) => {
			return { ours: ours.name, reference: other.name, metric, unit: metric === "rate" ? "records/s" : "µs p50" };
		}),
		settings,
	};
}
