/** Durable records, in batches and one by one, beside the same bytes through plain `fs` calls, and rows in SQLite. */
import { recordLoops, recordPipeline } from "../appenders.ts";
import type { Case, Pair } from "../harness.ts";
import { peerAppends } from "../peers/peer.ts";
import { sqlite } from "../peers/sqlite.ts";
import { plainWrites } from "../plain-fs.ts";
import { type RunSettings, type Scenario, sizeName } from "../scenario.ts";
import { recordSide, somePayload } from "../stores.ts";

const batches = "streambed, batches of records";
const loops = "streambed, records in closed loops";
const piped = "streambed, writer of records";
const plain = "fs: write + fdatasync";
const bytes = 100;
const batch = 1000;
const calls = 4;

export const recordsAppend: Scenario = {
	name: "records-append",
	summary: "durable records of 100 bytes beside the same bytes through plain fs calls, and rows in SQLite",
	cases: (settings) => [batchCase(settings), singleCase(256, settings)],
};

/** What is in flight together is one write and one sync on the plain side; SQLite has a transaction for each batch. */
function batchCase({ durability }: RunSettings): Case {
	const payload = somePayload(bytes);
	return {
		name: `records-append/${sizeName(bytes)}/batches`,
		sides: [
			recordSide(batches, { durability }, (stream, seconds) => recordLoops(stream, payload, calls, seconds, batch)),
			plainWrites(plain, "callbacks", { payload, inFlight: calls * batch, durability }),
			peerAppends(sqlite, { payload, inFlight: batch, durability }),
		],
		pairs: [
			{ ours: batches, reference: plain, metric: "rate", unit: "records/s", bar: { atLeast: 0.5 } },
			{ ours: batches, reference: sqlite.name, metric: "rate", unit: "records/s", bar: { atLeast: 5 } },
		],
		settings: { bytes, batch, callsInFlight: calls },
	};
}

function singleCase(inFlight: number, { durability }: RunSettings): Case {
	const payload = somePayload(bytes);
	const load = { payload, inFlight, durability };
	const pair = { metric: "rate", unit: "records/s" };
	const against = (reference: string, bar?: number): Pair[] => {
		return [loops, piped].map((ours) => {
			return { ours, reference, ...pair, ...(bar === undefined ? {} : { bar: { atLeast: bar } }) };
		});
	};
	return {
		name: `records-append/${sizeName(bytes)}/${inFlight}`,
		sides: [
			recordSide(loops, { durability }, (stream, seconds) => recordLoops(stream, payload, inFlight, seconds)),
			recordSide(piped, { durability }, (stream, seconds) => recordPipeline(stream, payload, inFlight, seconds)),
			plainWrites(plain, "callbacks", load),
			peerAppends(sqlite, load),
		],
		pairs: [...against(plain, 0.7), ...against(sqlite.name)],
		settings: { bytes, inFlight },
	};
}
