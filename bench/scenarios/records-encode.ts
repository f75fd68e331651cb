/** What records cost before there is a disk: their encoding alone, and whole appends to a disk that keeps nothing. */
import { performance } from "node:perf_hooks";
import { RecordPayload } from "../../src/core/record-encoding.ts";
import { memoryLocker } from "../../src/testing/memory-locker.ts";
import { recordLoops } from "../appenders.ts";
import type { Case, Figures, Side } from "../harness.ts";
import { nullDisk } from "../null-disk.ts";
import { type RunSettings, type Scenario, sizeName } from "../scenario.ts";
import { recordSide, somePayload } from "../stores.ts";

const encoder = "streambed, the encoder alone";
const appends = "streambed, appends to a disk that keeps nothing";
const copies = "copied one behind the other";
const bound = "10 million records a second";
const bytes = 100;
const batch = 1000;
const calls = 4;
/** Batches between two looks at the clock. */
const turns = 20;

export const recordsEncode: Scenario = {
	name: "records-encode",
	summary: "encoding records of 100 bytes, beside ten million a second and beside copying them",
	cases: (settings) => [encodeCase(settings)],
};

function encodeCase({ durability }: RunSettings): Case {
	const value = somePayload(bytes);
	const pair = { metric: "rate", unit: "records/s" };
	return {
		name: `records-encode/${sizeName(bytes)}`,
		sides: [
			inMemory(encoder, (target) => encode(target, value)),
			recordSide(appends, { durability, disk: nullDisk(), lock: memoryLocker() }, (stream, seconds) =>
				recordLoops(stream, value, calls, seconds, batch),
			),
			inMemory(copies, (target) => copy(target, value)),
			{ name: bound, open: async () => ({ run: async () => ({ rate: 10e6 }) }) },
		],
		pairs: [
			{ ours: encoder, reference: bound, ...pair, bar: { atLeast: 1 } },
			{ ours: appends, reference: bound, ...pair },
			{ ours: encoder, reference: copies, ...pair },
		],
		settings: { bytes, batch, callsInFlight: calls },
	};
}

function encode(target: Uint8Array, value: Uint8Array): void {
	const payload = new RecordPayload();
	for (let index = 0; index < batch; index++) payload.add(value, undefined);
	payload.copyTo(target, 0);
}

function copy(target: Uint8Array, value: Uint8Array): void {
	for (let index = 0; index < batch; index++) target.set(value, index * value.length);
}

function inMemory(name: string, work: (target: Uint8Array) => void): Side {
	const target = new Uint8Array(batch * (bytes + 8));
	const run = async (seconds: number): Promise<Figures> => {
		const start = performance.now();
		const deadline = start + seconds * 1000;
		let count = 0;
		let now = start;
		do {
			for (let turn = 0; turn < turns; turn++) work(target);
			count += turns * batch;
			now = performance.now();
		} while (now < deadline);
		if (target[bytes] === 0) throw new Error("nothing was written");
		return { rate: (count * 1000) / (now - start) };
	};
	return { name, open: async () => ({ run }) };
}
