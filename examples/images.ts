/**
 * Images through a byte stream: stores JPEG and PNG files by a plain pipeline, reads them back by their own framing,
 * then one of them alone by its offset. Usage: node examples/images.ts [STORE] [FILES…]
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type ByteStream, open } from "../src/index.ts";
import { dunes, mosaic, ripples } from "./images/bitmap.ts";
import { encodeJpeg } from "./images/jpeg.ts";
import { encodePng } from "./images/png.ts";
import { splitImages, wholeImages } from "./images/splitter.ts";

const [url = "file:./data", ...given] = process.argv.slice(2);
const made = await mkdtemp(join(tmpdir(), "streambed-images-"));
const files = given.length > 0 ? given : await makePictures(made);

await using store = await open(url);
const stream = await store.scope("examples").ensure("images", { kind: "bytes" });
const start = await tailOf(stream);

// In: each file as Node reads it. Nothing is added, so the stream is the files one behind the other.
for (const file of files) await pipeline(createReadStream(file), stream.toWritable());
console.log(`stored ${files.length} files from ${start} to ${await tailOf(stream)}`);

// Out: the images tell themselves where they end. Chunks come as they come; only one image is held at a time.
const index: { from: number; to: number }[] = [];
for await (const image of wholeImages(splitImages(stream.reader({ from: { offset: start } }), start))) {
	const file = files[index.length] as string;
	const same = sha256(image.bytes) === sha256(await readFile(file));
	console.log(
		`${basename(file)}: ${image.format}, ${image.bytes.length} bytes at ${image.from}, ${same ? "equal" : "differs"}`,
	);
	index.push({ from: image.from, to: image.from + image.bytes.length });
}

// Any image alone: its offsets are all it takes.
const last = index.at(-1);
if (last !== undefined) {
	const bytes = await Array.fromAsync(stream.reader({ from: { offset: last.from }, to: { offset: last.to } }));
	const same = sha256(Buffer.concat(bytes)) === sha256(await readFile(files.at(-1) as string));
	console.log(`image ${index.length} alone, from ${last.from} to ${last.to}: ${same ? "equal" : "differs"}`);
}
await rm(made, { recursive: true });

async function makePictures(folder: string): Promise<string[]> {
	const pictures = {
		"dunes.jpg": encodeJpeg(dunes(320, 200)),
		"mosaic.png": encodePng(mosaic(240, 160)),
		"ripples.jpg": encodeJpeg(ripples(200, 150), { restartEvery: 25, thumbnail: encodeJpeg(ripples(40, 30)) }),
	};
	for (const [name, bytes] of Object.entries(pictures)) await writeFile(join(folder, name), bytes);
	return Object.keys(pictures).map((name) => join(folder, name));
}

async function tailOf(bytes: ByteStream): Promise<number> {
	return (await bytes.info()).shards[0]?.tail ?? 0;
}

function sha256(bytes: Uint8Array): string {
	return createHash("sha256").update(bytes).digest("hex");
}
