/** Loads on streams: closed loops of appenders, and a writer that is kept full. */
import { performance } from "node:perf_hooks";
import type { ByteStream, Producer, RecordStream } from "../src/index.ts";
import type { Figures } from "./harness.ts";
import { Latencies } from "./statistics.ts";

/** Appends with `inFlight` loops, each of which awaits its acknowledgement before the next append. */
export async function closedLoops(
	streams: readonly ByteStream[],
	payload: Uint8Array,
	inFlight: number,
	seconds: number,
): Promise<Figures> {
	const appends = streams.map((stream) => () => stream.append(payload));
	return await inLoops(appends, inFlight, seconds);
}

/** The same with records: of `batch` of them if that is given, else one by one. */
export async function recordLoops(
	stream: RecordStream,
	value: Uint8Array,
	inFlight: number,
	seconds: number,
	batch?: number,
): Promise<Figures> {
	if (batch === undefined) return await inLoops([() => stream.append({ value })], inFlight, seconds);
	const records = Array.from({ length: batch }, () => ({ value }));
	const { rate, ...figures } = await inLoops([() => stream.append(records)], inFlight, seconds);
	return { ...figures, rate: (rate as number) * batch };
}

/** Loops that take turns with the ways to append; each waits for its own append. */
async function inLoops(
	appends: readonly (() => Promise<unknown>)[],
	inFlight: number,
	seconds: number,
): Promise<Figures> {
	if (inFlight === 1) return await oneLoop(appends[0] as () => Promise<unknown>, seconds);
	let stopped = false;
	let count = 0;
	const timer = setTimeout(() => {
		stopped = true;
	}, seconds * 1000);
	const loop = async (append: () => Promise<unknown>): Promise<void> => {
		while (!stopped) {
			await append();
			count++;
		}
	};
	const start = performance.now();
	try {
		await Promise.all(
			Array.from({ length: inFlight }, (_, index) => loop(appends[index % appends.length] as () => Promise<unknown>)),
		);
	} finally {
		clearTimeout(timer);
	}
	return { rate: (count * 1000) / (performance.now() - start) };
}

async function oneLoop(append: () => Promise<unknown>, seconds: number): Promise<Figures> {
	const latencies = new Latencies();
	const start = performance.now();
	const deadline = start + seconds * 1000;
	let count = 0;
	for (let began = start; began < deadline; count++) {
		await append();
		const now = performance.now();
		latencies.add(now - began);
		began = now;
	}
	return { ...latencies.figures(), rate: (count * 1000) / (performance.now() - start) };
}

/** What writers of bytes and of records have in common. */
interface Writer<T> extends AsyncDisposable {
	readonly hasRoom: boolean;
	write(item: T): PromiseLike<unknown>;
	flush(): Promise<void>;
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
	return await keepFull(writer, () => payload, seconds);
}

/** The same with records. */
export async function recordPipeline(
	stream: RecordStream,
	value: Uint8Array,
	inFlight: number,
	seconds: number,
): Promise<Figures> {
	await using writer = stream.writer({ maxInFlightBytes: inFlight * value.length });
	return await keepFull(writer, () => ({ value }), seconds);
}

async function keepFull<T>(writer: Writer<T>, next: () => T, seconds: number): Promise<Figures> {
	const start = performance.now();
	const deadline = start + seconds * 1000;
	let count = 0;
	while (performance.now() < deadline) {
		while (writer.hasRoom) {
			void writer.write(next());
			count++;
		}
		await writer.write(next());
		count++;
	}
	await writer.flush();
	return { rate: (count * 1000) / (performance.now() - start) };
}
