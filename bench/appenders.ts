/** Loads on streams: closed loops of appenders, and a writer that is kept full. */
import { performance } from "node:perf_hooks";
import type { ByteStream, Producer } from "../src/index.ts";
import type { Figures } from "./harness.ts";
import { Latencies } from "./statistics.ts";

/** Appends with `inFlight` loops, each of which awaits its acknowledgement before the next append. */
export async function closedLoops(
	streams: readonly ByteStream[],
	payload: Uint8Array,
	inFlight: number,
	seconds: number,
): Promise<Figures> {
	if (inFlight === 1) return await oneLoop(streams[0] as ByteStream, payload, seconds);
	let stopped = false;
	let count = 0;
	const timer = setTimeout(() => {
		stopped = true;
	}, seconds * 1000);
	const loop = async (stream: ByteStream): Promise<void> => {
		while (!stopped) {
			await stream.append(payload);
			count++;
		}
	};
	const start = performance.now();
	try {
		await Promise.all(
			Array.from({ length: inFlight }, (_, index) => loop(streams[index % streams.length] as ByteStream)),
		);
	} finally {
		clearTimeout(timer);
	}
	return { rate: (count * 1000) / (performance.now() - start) };
}

async function oneLoop(stream: ByteStream, payload: Uint8Array, seconds: number): Promise<Figures> {
	const latencies = new Latencies();
	const start = performance.now();
	const deadline = start + seconds * 1000;
	let count = 0;
	for (let began = start; began < deadline; count++) {
		await stream.append(payload);
		const now = performance.now();
		latencies.add(now - began);
		began = now;
	}
	return { ...latencies.figures(), rate: (count * 1000) / (performance.now() - start) };
}

/** Writes as fast as a writer takes it, with a window of `inFlight` unacknowledged payloads. */
export async function pipeline(
	stream: ByteStream,
	payload: Uint8Array,
	inFlight: number,
	seconds: number,
	producer?: Producer,
): Promise<Figures> {
	await using writer = stream.writer({ maxInFlightBytes: inFlight * payload.length, producer });
	const start = performance.now();
	const deadline = start + seconds * 1000;
	let count = 0;
	while (performance.now() < deadline) {
		while (writer.hasRoom) {
			void writer.write(payload);
			count++;
		}
		await writer.write(payload);
		count++;
	}
	await writer.flush();
	return { rate: (count * 1000) / (performance.now() - start) };
}
