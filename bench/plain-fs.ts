/** The speed of light: the same bytes moved by bare calls of `node:fs`, with nothing around them. */
import * as fs from "node:fs";
import { join } from "node:path";
import type { Figures, Side } from "./harness.ts";
import { Latencies } from "./statistics.ts";

/** How a batch is made durable. */
export type WriteStyle = "callbacks" | "dsync" | "blocking";

/** What to write. */
export interface Batches {
	readonly payload: Uint8Array;
	/** Payloads that are copied into one buffer, written by one call and synced together. */
	readonly inFlight: number;
	readonly durability: "sync" | "os";
}

/**
 * Writes batches at the growing end of a new file per round. `callbacks` is one `write` and one `fdatasync` in the
 * thread pool, `dsync` one `write` there to a file opened with O_DSYNC, `blocking` the first with synchronous calls.
 */
export function plainWrites(name: string, style: WriteStyle, batches: Batches): Side {
	return {
		name,
		open: async (folder) => {
			let round = 0;
			return { run: (seconds) => writeRound(join(folder, `round-${round++}`), style, batches, seconds) };
		},
	};
}

async function writeRound(path: string, style: WriteStyle, batches: Batches, seconds: number): Promise<Figures> {
	const { payload, inFlight, durability } = batches;
	const { O_CREAT, O_EXCL, O_RDWR, O_DSYNC } = fs.constants;
	const fd = fs.openSync(path, O_CREAT | O_EXCL | O_RDWR | (style === "dsync" ? O_DSYNC : 0), 0o644);
	const staging = Buffer.allocUnsafeSlow(payload.length * inFlight);
	const write = writer(fd, style, durability === "sync" && style !== "dsync");
	const latencies = new Latencies();
	let batchCount = 0;
	const start = performance.now();
	const deadline = start + seconds * 1000;
	let now = start;
	do {
		for (let index = 0; index < inFlight; index++) staging.set(payload, index * payload.length);
		const began = performance.now();
		await write(staging, batchCount * staging.length);
		batchCount++;
		now = performance.now();
		latencies.add(now - began);
	} while (now < deadline);
	fs.closeSync(fd);
	fs.unlinkSync(path);
	return { ...latencies.figures(), rate: (batchCount * inFlight * 1000) / (now - start) };
}

function writer(fd: number, style: WriteStyle, sync: boolean): (data: Uint8Array, position: number) => Promise<void> {
	if (style === "blocking") {
		return async (data, position) => {
			if (fs.writeSync(fd, data, 0, data.length, position) !== data.length) throw new Error("short write");
			if (sync) fs.fdatasyncSync(fd);
		};
	}
	return (data, position) =>
		new Promise((resolve, reject) => {
			const done = (error: Error | null): void => (error ? reject(error) : resolve());
			fs.write(fd, data, 0, data.length, position, (error, written) => {
				if (error || written !== data.length) reject(error ?? new Error("short write"));
				else if (sync) fs.fdatasync(fd, done);
				else resolve();
			});
		});
}

/** Writes a file of so many bytes, in the page cache when it returns. */
export function writeFile(path: string, bytes: number): void {
	const fd = fs.openSync(path, "wx");
	const block = Buffer.alloc(1024 * 1024, "plain");
	for (let at = 0; at < bytes; at += block.length) fs.writeSync(fd, block, 0, Math.min(block.length, bytes - at), at);
	fs.fdatasyncSync(fd);
	fs.closeSync(fd);
}

/**
 * Reads a file from beginning to end in blocks; returns the bytes read. Into one buffer, which stays in the processor's
 * cache; or with `keep` each into memory of its own, as one must who gives the bytes away.
 */
export async function readFile(path: string, blockBytes: number, keep = false): Promise<number> {
	const fd = fs.openSync(path, "r");
	const one = Buffer.allocUnsafeSlow(blockBytes);
	let at = 0;
	for (;;) {
		const block = keep ? Buffer.allocUnsafeSlow(blockBytes) : one;
		const got = await new Promise<number>((resolve, reject) => {
			fs.read(fd, block, 0, block.length, at, (error, bytes) => (error ? reject(error) : resolve(bytes)));
		});
		if (got === 0) break;
		at += got;
	}
	fs.closeSync(fd);
	return at;
}
