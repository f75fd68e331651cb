/** RION beside JSON and MessagePack: objects of ten small fields, from and to bytes. */
import { pack, unpack } from "msgpackr";
import { decode, encode, RionReader, type RionValue } from "../../src/stream-ops/rion/index.ts";
import type { Case, Figures, Pair, Side } from "../harness.ts";
import type { Scenario } from "../scenario.ts";

const objects = 1000;

export const rion: Scenario = {
	name: "rion",
	summary: "objects of ten small fields to bytes and back, beside JSON and msgpackr",
	cases: () => [encodeCase(), decodeCase()],
};

const readings: readonly Record<string, RionValue>[] = Array.from({ length: objects }, (_, i) => ({
	id: i,
	sensor: `sensor-${i % 20}`,
	time: 1_700_000_000_000 + i * 250,
	celsius: 20 + (i % 100) / 8,
	humidity: i % 100,
	ok: i % 7 !== 0,
	unit: "metric",
	room: `room ${i % 12}`,
	battery: 3300 - i,
	note: i % 3 === 0 ? null : `seen ${i}`,
}));

/** Often enough for a clock that is asked once a turn. */
async function turns(work: () => number, seconds: number): Promise<Figures> {
	const start = performance.now();
	const end = start + seconds * 1000;
	let count = 0;
	let now = start;
	let sum = 0;
	do {
		sum += work();
		count += objects;
		now = performance.now();
	} while (now < end);
	if (!Number.isFinite(sum)) throw new Error("nothing was measured");
	return { rate: (count * 1000) / (now - start) };
}

function side(name: string, work: () => number): Side {
	return { name, open: async () => ({ run: (seconds) => turns(work, seconds) }) };
}

/** Not below the better of the two means: below neither. */
function pairs(name: string, least: number): Pair[] {
	return ["JSON", "msgpackr"].map((reference) => {
		return { ours: name, reference, metric: "rate", unit: "objects/s", bar: { atLeast: least } };
	});
}

const ours = "streambed/rion";
const walking = "streambed/rion, field by field";

function encodeCase(): Case {
	const encodings: readonly (readonly [string, (value: RionValue) => Uint8Array])[] = [
		[ours, encode],
		["JSON", (value) => Buffer.from(JSON.stringify(value))],
		["msgpackr", pack],
	];
	const sides = encodings.map(([name, toBytes]) =>
		side(name, () => {
			let bytes = 0;
			for (const reading of readings) bytes += toBytes(reading).length;
			return bytes;
		}),
	);
	return { name: "rion/encode/10-fields", sides, pairs: pairs(ours, 0.7), settings: { objects } };
}

function decodeCase(): Case {
	const encoded = {
		rion: readings.map((reading) => encode(reading)),
		json: readings.map((reading) => Buffer.from(JSON.stringify(reading))),
		msgpack: readings.map((reading) => pack(reading)),
	};
	const values = (records: readonly Uint8Array[], toValue: (bytes: Uint8Array) => unknown) => (): number => {
		let sum = 0;
		for (const record of records) sum += (toValue(record) as { id: number }).id;
		return sum;
	};
	const reader = new RionReader(new Uint8Array());
	const others = [
		side(
			"JSON",
			values(encoded.json, (bytes) => JSON.parse((bytes as Buffer).toString())),
		),
		side("msgpackr", values(encoded.msgpack, unpack)),
	];
	return {
		name: "rion/decode/10-fields",
		sides: [side(walking, () => walkAll(reader, encoded.rion)), side(ours, values(encoded.rion, decode)), ...others],
		pairs: [...pairs(walking, 1), ...pairs(ours, 0.7)],
		settings: { objects },
	};
}

/** Looks at every key and reads every value, and makes an object of none of them. */
function walkAll(reader: RionReader, records: readonly Uint8Array[]): number {
	let sum = 0;
	for (const record of records) {
		reader.reset(record);
		reader.next();
		reader.enter();
		sum += numberOf(reader, "id") + textOf(reader, "sensor") + numberOf(reader, "time") + numberOf(reader, "celsius");
		sum += numberOf(reader, "humidity");
		expectMember(reader, "ok");
		sum += reader.boolean() ? 1 : 0;
		sum += textOf(reader, "unit") + textOf(reader, "room") + numberOf(reader, "battery") + textOf(reader, "note");
		reader.leave();
	}
	return sum;
}

function expectMember(reader: RionReader, name: string): void {
	if (!reader.member(name)) throw new Error(`no member ${name}`);
}

function numberOf(reader: RionReader, name: string): number {
	expectMember(reader, name);
	return Number(reader.number());
}

function textOf(reader: RionReader, name: string): number {
	expectMember(reader, name);
	return reader.text()?.length ?? 0;
}
