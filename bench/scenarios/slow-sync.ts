/** Appends on a disk whose every sync takes 5 ms, beside what arithmetic allows: holds on any machine. */
import { nodeDisk } from "../../src/disk/node-disk.ts";
import { slowDisk } from "../../src/testing/slow-disk.ts";
import { closedLoops, pipeline } from "../appenders.ts";
import type { Case, Side } from "../harness.ts";
import type { Scenario } from "../scenario.ts";
import { somePayload, streamSide } from "../stores.ts";

const syncMs = 5;
const loops = "streambed, append in closed loops";
const piped = "streambed, writer";
const arithmetic = `in flight ÷ ${syncMs} ms`;

export const slowSync: Scenario = {
	name: "slow-sync",
	summary: "appends on a disk whose sync takes 5 ms, beside in flight ÷ 5 ms",
	// Without syncs there is nothing to be slow.
	cases: ({ durability, quick }) => {
		if (durability === "os") return [];
		return (quick ? [256] : [1, 16, 256, 4096]).map(slowCase);
	},
};

function slowCase(inFlight: number): Case {
	const payload = somePayload(100);
	const options = { disk: slowDisk(nodeDisk(), { syncMs }) };
	const possible: Side = {
		name: arithmetic,
		open: async () => ({ run: async () => ({ rate: (inFlight * 1000) / syncMs }) }),
	};
	const sides = [
		streamSide(loops, options, (stream, seconds) => closedLoops([stream], payload, inFlight, seconds)),
		possible,
	];
	if (inFlight > 1) {
		sides.push(streamSide(piped, options, (stream, seconds) => pipeline(stream, payload, inFlight, seconds)));
	}
	const ours = inFlight > 1 ? [loops, piped] : [loops];
	const bar = { atLeast: 0.9 };
	return {
		name: `slow-sync/100B/${inFlight}`,
		sides,
		pairs: ours.map((name) => ({ ours: name, reference: arithmetic, metric: "rate", unit: "appends/s", bar })),
		settings: { bytes: 100, inFlight, syncMs },
	};
}
