/**
 * Live tail of a film: one loop appends a sequence of JPEG pictures (MJPEG), another follows the stream, finds the
 * pictures as they come, and ends by itself when the stream is sealed. Usage: node examples/live-tail.ts [STORE] [FRAMES]
 */
import { setTimeout as delay } from "node:timers/promises";
import { type ByteStream, open } from "../src/index.ts";
import { filmFrame } from "./images/bitmap.ts";
import { encodeJpeg } from "./images/jpeg.ts";
import { splitImages, wholeImages } from "./images/splitter.ts";

const frames = Number(process.argv[3] ?? 24);
await using store = await open(process.argv[2] ?? "memory:");
const film = await store.scope("camera").create(`film-${Date.now()}`, { kind: "bytes" });

/** When each frame was handed over, to tell how long it took to the viewer. */
const sentAt: number[] = [];

await Promise.all([record(film), watch(film)]);

async function record(stream: ByteStream): Promise<void> {
	for (let frame = 0; frame < frames; frame++) {
		const jpeg = encodeJpeg(filmFrame(160, 120, frame, frames));
		sentAt.push(performance.now());
		await stream.append(jpeg); // one append a frame: a follower never sees half of one for long
		await delay(20);
	}
	await stream.seal();
}

async function watch(stream: ByteStream): Promise<void> {
	let seen = 0;
	for await (const { from, bytes } of wholeImages(splitImages(stream.reader({ follow: true })))) {
		const latency = performance.now() - (sentAt[seen] as number);
		console.log(`frame ${seen} at ${from}: ${bytes.length} bytes, ${latency.toFixed(1)} ms after it was sent`);
		seen++;
	}
	console.log(`the film has ended after ${seen} frames`);
}
