/** What `bench` measures: a few figures that say what a store does on this disk, each beside plain `fs` calls. */
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { ByteStream, Store } from "../../index.ts";
import type { Scenario } from "./measure.ts";
import { PlainAppends, readFile, writeFile } from "./plain-fs.ts";

const payloadBytes = 1024;
const inFlight = 256;
const readBytes = 64 * 1024 * 1024;
const blockBytes = 1024 * 1024;

/** The scenarios, in the order of the table. */
export const scenarios: readonly Scenario[] = [
	{
		name: "append",
		what: "append 1 KiB, one at a time (lower is better)",
		unit: "µs",
		settings: { payloadBytes, inFlight: 1 },
		async open(folder, signal) {
			const { store, stream } = await newStream(folder);
			const plain = new PlainAppends(join(folder, "plain"));
			const payload = Buffer.alloc(payloadBytes, "x");
			const latency = (append: () => Promise<unknown>) => (ms: number) => middleLatency(append, ms, signal);
			return {
				ours: { name: "streambed", run: latency(() => stream.append(payload)) },
				reference: { name: "fs write + fdatasync", run: latency(() => plain.append(payload)) },
				close: () => closeBoth(store, plain),
			};
		},
	},
	{
		name: "batch",
		what: `append 1 KiB, ${inFlight} in flight`,
		unit: "appends/s",
		settings: { payloadBytes, inFlight },
		async open(folder, signal) {
			const { store, stream } = await newStream(folder);
			const plain = new PlainAppends(join(folder, "plain"));
			const payload = Buffer.alloc(payloadBytes, "x");
			const staging = Buffer.alloc(payloadBytes * inFlight);
			const batch = async (): Promise<void> => {
				for (let index = 0; index < inFlight; index++) staging.set(payload, index * payloadBytes);
				await plain.append(staging);
			};
			return {
				ours: { name: "streambed", run: (ms) => rate(() => stream.append(payload), inFlight, 1, ms, signal) },
				reference: { name: "fs write + fdatasync per batch", run: (ms) => rate(batch, 1, inFlight, ms, signal) },
				close: () => closeBoth(store, plain),
			};
		},
	},
	{
		name: "read",
		what: "read 64 MiB back, checksums verified",
		unit: "MB/s",
		settings: { bytes: readBytes, blockBytes, cache: "page cache" },
		async open(folder) {
			const { store, stream } = await newStream(folder);
			const block = Buffer.alloc(blockBytes, "streambed");
			for (let at = 0; at < readBytes; at += blockBytes) await stream.append(block);
			writeFile(join(folder, "plain"), readBytes);
			return {
				ours: { name: "streambed", run: () => throughput(() => readStream(stream)) },
				reference: { name: "fs read", run: () => throughput(() => readFile(join(folder, "plain"), blockBytes)) },
				close: () => store.close(),
			};
		},
	},
];

async function newStream(folder: string): Promise<{ store: Store; stream: ByteStream }> {
	const { open } = await import("../../index.ts");
	const store = await open(join(folder, "data"));
	return { store, stream: await store.scope("bench").create("stream") };
}

async function closeBoth(store: Store, plain: PlainAppends): Promise<void> {
	plain.close();
	await store.close();
}

/** Middle of the latencies of appends made one after another, in microseconds. */
async function middleLatency(append: () => Promise<unknown>, ms: number, signal: AbortSignal): Promise<number> {
	const taken: number[] = [];
	const end = performance.now() + ms;
	for (let now = performance.now(); now < end && !signal.aborted; ) {
		const began = now;
		await append();
		now = performance.now();
		taken.push(now - began);
	}
	return (taken.sort((a, b) => a - b)[taken.length >> 1] ?? 0) * 1000;
}

/** Appends a second with so many calls under way at any time, each worth `worth` appends. */
async function rate(
	append: () => Promise<unknown>,
	calls: number,
	worth: number,
	ms: number,
	signal: AbortSignal,
): Promise<number> {
	const began = performance.now();
	let done = 0;
	const loop = async (): Promise<void> => {
		while (performance.now() - began < ms && !signal.aborted) {
			await append();
			done += worth;
		}
	};
	await Promise.all(Array.from({ length: calls }, loop));
	return (done * 1000) / (performance.now() - began);
}

/** Megabytes a second. */
async function throughput(read: () => Promise<number>): Promise<number> {
	const began = performance.now();
	const bytes = await read();
	return bytes / 1000 / (performance.now() - began);
}

async function readStream(stream: ByteStream): Promise<number> {
	let bytes = 0;
	for await (const piece of stream.reader({ from: "head" })) bytes += piece.length;
	return bytes;
}
