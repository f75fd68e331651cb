/** Writing with a producer, whose appends survive their own retries, beside writing without one. */
import { pipeline } from "../appenders.ts";
import type { Case } from "../harness.ts";
import { kib, mib, type RunSettings, type Scenario, sizeName } from "../scenario.ts";
import { somePayload, streamSide } from "../stores.ts";

const without = "streambed, writer";
const with_ = "streambed, writer with a producer";

const all: readonly (readonly [bytes: number, inFlight: readonly number[]])[] = [
	[100, [256, 4096]],
	[kib, [256, 4096]],
	[64 * kib, [4]],
	[mib, [4]],
];

export const producers: Scenario = {
	name: "producers",
	summary: "a writer with a producer beside one without",
	cases: (settings) =>
		all.flatMap(([bytes, counts]) =>
			(settings.quick ? counts.slice(-1) : counts).map((inFlight) => producerCase(bytes, inFlight, settings)),
		),
};

function producerCase(bytes: number, inFlight: number, { durability }: RunSettings): Case {
	const payload = somePayload(bytes);
	return {
		name: `producers/${sizeName(bytes)}/${inFlight}`,
		sides: [
			streamSide(with_, { durability }, async (stream, seconds) =>
				pipeline(stream, payload, inFlight, seconds, await stream.producer("bench")),
			),
			streamSide(without, { durability }, (stream, seconds) => pipeline(stream, payload, inFlight, seconds)),
		],
		pairs: [{ ours: with_, reference: without, metric: "rate", unit: "appends/s", bar: { atLeast: 0.95 } }],
		settings: { bytes, inFlight },
	};
}
