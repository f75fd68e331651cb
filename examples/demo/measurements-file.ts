/** A file of measurements: the same for the same seed, each line a JSON object with the name of a sensor. */
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";

const sensors = 200;
const linesAtOnce = 1000;
/** Milliseconds since 1970 of the first measurement, and between two. */
const firstMs = Date.UTC(2026, 10, 1);
const stepMs = 250;

/** Writes so many measurements, one a line. */
export async function writeMeasurements(path: string, count: number, seed: number): Promise<void> {
	await pipeline(chunks(count, seed), createWriteStream(path));
}

/** Some sensors tell more often than others, as everywhere. */
function* chunks(count: number, seed: number): Generator<string> {
	const random = mulberry32(seed);
	const celsius = Array.from({ length: sensors }, () => 15 + 10 * random());
	let text = "";
	for (let index = 0; index < count; index++) {
		const sensor = Math.floor(sensors * random() ** 1.5);
		const now = (celsius[sensor] as number) + random() - 0.5;
		celsius[sensor] = now;
		const name = `sensor-${String(sensor).padStart(3, "0")}`;
		const time = new Date(firstMs + index * stepMs).toISOString();
		text += `${JSON.stringify({ sensor: name, time, celsius: Number(now.toFixed(2)) })}\n`;
		if ((index + 1) % linesAtOnce !== 0) continue;
		yield text;
		text = "";
	}
	yield text;
}

/** Numbers from 0 to 1 that follow from a seed. */
function mulberry32(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}
