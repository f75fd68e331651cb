/** Durable appends beside the same bytes written by plain `fs` calls with the same sync cadence. */
import { closedLoops, pipeline } from "../appenders.ts";
import type { Bar, Case, Pair, Side } from "../harness.ts";
import { peerAppends } from "../peers/peer.ts";
import { sqlite } from "../peers/sqlite.ts";
import { plainWrites } from "../plain-fs.ts";
import { kib, mib, type RunSettings, type Scenario, sizeName } from "../scenario.ts";
import { somePayload, streamSide } from "../stores.ts";

const loops = "streambed, append in closed loops";
const piped = "streambed, writer";
const plain = "fs: write + fdatasync";
const dsync = "fs: write, O_DSYNC";
const blocking = "fs: writeSync + fdatasyncSync";

const all: readonly (readonly [bytes: number, inFlight: readonly number[]])[] = [
	[100, [1, 16, 256, 4096]],
	[kib, [1, 16, 256, 4096]],
	[64 * kib, [1, 4]],
	[mib, [1, 4]],
];
const few: typeof all = [
	[100, [1, 256]],
	[mib, [4]],
];

export const append: Scenario = {
	name: "append",
	summary: "durable appends beside the same bytes through plain fs calls",
	cases: (settings) =>
		(settings.quick ? few : all).flatMap(([bytes, counts]) =>
			counts.map((inFlight) => appendCase(bytes, inFlight, settings)),
		),
};

function appendCase(bytes: number, inFlight: number, { durability }: RunSettings): Case {
	const payload = somePayload(bytes);
	const batches = { payload, inFlight, durability };
	const latency = inFlight === 1 && bytes < mib;
	const sides: Side[] = [
		streamSide(loops, { durability }, (stream, seconds) => closedLoops([stream], payload, inFlight, seconds)),
		plainWrites(plain, "callbacks", batches),
		plainWrites(blocking, "blocking", batches),
	];
	if (inFlight > 1) {
		sides.push(streamSide(piped, { durability }, (stream, seconds) => pipeline(stream, payload, inFlight, seconds)));
	}
	if (durability === "sync") sides.push(plainWrites(dsync, "dsync", batches));
	if (bytes < kib && inFlight !== 16) sides.push(peerAppends(sqlite, batches));
	const bar = barOf(bytes, inFlight);
	const metrics = latency ? latencyMetrics : rateMetrics;
	const pairs = sides.flatMap((side) => pairsOf(side.name, inFlight > 1, metrics, bar));
	return { name: `append/${sizeName(bytes)}/${inFlight}`, sides, pairs, settings: { bytes, inFlight } };
}

const latencyMetrics = [
	["p50", "µs p50"],
	["mean", "µs mean"],
] as const;
const rateMetrics = [["rate", "appends/s"]] as const;

/** The pairs of a reference; ours are measured against each, and only the first is what bars speak of. */
function pairsOf(
	reference: string,
	hasPipeline: boolean,
	metrics: readonly (readonly [string, string])[],
	bar: Bar | undefined,
): Pair[] {
	if (reference === loops || reference === piped) return [];
	const names = hasPipeline && reference === plain ? [loops, piped] : [loops];
	return names.flatMap((ours) =>
		metrics.map(([metric, unit]): Pair => {
			const pair = { ours, reference, metric, unit };
			return reference === plain && bar !== undefined && metric !== "mean" ? { ...pair, bar } : pair;
		}),
	);
}

function barOf(bytes: number, inFlight: number): Bar | undefined {
	if (bytes > kib && (bytes === mib || inFlight > 1)) return { atLeast: 0.85 };
	// Of large ones a rate of 0.85, told as a latency.
	if (inFlight === 1) return { atMost: bytes > kib ? 1.18 : 1.2 };
	if (inFlight === 256) return { atLeast: 0.8 };
	return inFlight === 4096 ? { atLeast: 0.5 } : undefined;
}
