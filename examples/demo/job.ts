/** The demo's work: files into one byte stream, followed while they are written, and out of it again in three ways. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open as openFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type ByteStream, defaultLimits, type Store } from "../../src/index.ts";
import { type ImagePiece, splitImages } from "../images/splitter.ts";
import { type ImageRecord, recordImages, sameRecord, sameRecords } from "./image-record.ts";
import { imageName, type OutputFolder } from "./output-folder.ts";
import { formatBytes, formatCount, type Progress } from "./progress.ts";
import type { DemoResult, SplitOut, StoredFile } from "./result.ts";
import type { Source } from "./sources.ts";

/** A file in the stream. */
interface Placed {
	readonly source: Source;
	readonly offset: number;
	readonly appends: number;
	/** Its images, with positions in the stream. */
	readonly images: readonly ImageRecord[];
}

/** Stores the files in an empty store, reads them back and compares. */
export async function runDemo(
	store: Store,
	sources: readonly Source[],
	folder: OutputFolder,
	progress: Progress,
): Promise<DemoResult> {
	const stream = await store.scope("demo").create("pictures", { kind: "bytes", tags: { content: "JPEG and PNG" } });
	const total = sources.reduce((sum, source) => sum + source.bytes, 0);
	const start = performance.now();

	const stop = new AbortController();
	const following = followLive(stream, total, stop.signal, progress);
	following.catch(() => {}); // looked at below, unless writing fails first
	const placed: Placed[] = [];
	try {
		for (const source of sources) placed.push(await storeFile(store, stream, source, progress));
		await stream.seal();
	} catch (error) {
		stop.abort();
		throw error;
	}
	const writeSeconds = (performance.now() - start) / 1000;
	const followed = await following;

	const expected = placed.flatMap((file) => file.images);
	const split = await splitBack(stream, placed, folder, progress);
	const single = await readAlone(stream, expected, progress);
	const files = placed.map((file, i) =>
		storedFile(
			file,
			split.filter((image) => image.file === i),
		),
	);
	const [live, alone] = [sameRecords(followed, expected), sameRecords(single, expected)];
	return {
		ok: live && alone && sameRecords(split, expected) && files.every((file) => file.equal),
		files,
		bytes: total,
		appends: placed.reduce((sum, file) => sum + file.appends, 0),
		seconds: (performance.now() - start) / 1000,
		writeSeconds,
		followed: { images: followed.length, equal: live },
		single: { images: single.length, equal: alone },
	};
}

/** Appends a file to the stream as any program would: by a pipeline of two Node streams. */
async function storeFile(store: Store, stream: ByteStream, source: Source, progress: Progress): Promise<Placed> {
	const offset = (await stream.info()).shards[0]?.tail ?? 0;
	const before = store.stats().appends;
	await pipeline(createReadStream(source.path), stream.toWritable());
	const appends = store.stats().appends - before;
	const large = source.bytes > defaultLimits.appendBytes ? ", more than a single one may hold" : "";
	const where = `${formatBytes(source.bytes)} at offset ${offset} in ${formatCount(appends, "append")}${large}`;
	progress.done(`stored ${source.name}: ${where}`);
	const images = source.images.map((image) => ({ ...image, from: offset + image.from }));
	return { source, offset, appends, images };
}

/** Splits the stream while it grows, until it is sealed. What it has seen is the progress that the demo shows. */
async function followLive(
	stream: ByteStream,
	total: number,
	signal: AbortSignal,
	progress: Progress,
): Promise<readonly ImageRecord[]> {
	let [seen, images] = [0, 0];
	const chunks = stream.reader({ follow: true, signal });
	const records: ImageRecord[] = [];
	const onPiece = ({ bytes, last }: ImagePiece): void => {
		seen += bytes.length;
		if (last) images++;
		const share = Math.floor((seen / total) * 100);
		progress.now(`following: ${share} %, ${formatBytes(seen)}, ${formatCount(images, "picture")}`);
	};
	for await (const record of recordImages(splitImages(chunks), onPiece)) records.push(record);
	return records;
}

/** An image as it came out, and the number of the file that it belongs to. */
interface Split extends SplitOut {
	readonly file: number;
}

/** Reads the whole stream and writes each image to a file of its own. */
async function splitBack(
	stream: ByteStream,
	placed: readonly Placed[],
	folder: OutputFolder,
	progress: Progress,
): Promise<readonly Split[]> {
	const places = placed.flatMap(({ source }, file) =>
		source.images.map((_, part) => ({ file, part, name: source.name })),
	);
	const place = (image: number): (typeof places)[number] => places[image] ?? { file: -1, part: 0, name: "unexpected" };
	const split: Split[] = [];
	let output = "";
	let handle: FileHandle | undefined;
	const write = async ({ image, format, bytes, last }: ImagePiece): Promise<void> => {
		if (handle === undefined) {
			const { file, part, name } = place(image);
			output = imageName({ number: file < 0 ? image + 1 : file + 1, of: placed.length, name }, part, format);
			handle = await openFile(join(folder.images, output), "wx");
		}
		await handle.appendFile(bytes);
		if (!last) return;
		await handle.close();
		handle = undefined;
	};
	try {
		for await (const record of recordImages(splitImages(stream.reader()), write)) {
			split.push({ ...record, output, file: place(split.length).file });
			progress.now(`splitting: ${formatCount(split.length, "picture")}`);
		}
	} finally {
		await handle?.close();
	}
	progress.done(`split the stream into ${formatCount(split.length, "picture")}`);
	return split;
}

/** Reads each image alone, the last one first: an offset is all that it takes. */
async function readAlone(
	stream: ByteStream,
	images: readonly ImageRecord[],
	progress: Progress,
): Promise<readonly ImageRecord[]> {
	const records: ImageRecord[] = [];
	for (const image of images.toReversed()) {
		const hash = createHash("sha256");
		let bytes = 0;
		const range = { from: { offset: image.from }, to: { offset: image.from + image.bytes } };
		for await (const chunk of stream.reader(range)) {
			hash.update(chunk);
			bytes += chunk.length;
		}
		records.unshift({ format: image.format, from: image.from, bytes, sha256: hash.digest("hex") });
		progress.now(`reading alone: ${formatCount(records.length, "picture")}`);
	}
	progress.done(`read ${formatCount(records.length, "picture")} alone by offset`);
	return records;
}

function storedFile({ source, offset, appends, images }: Placed, split: readonly Split[]): StoredFile {
	const equal = split.length === images.length && split.every((image, i) => sameRecord(image, images[i]));
	const { path, name, format, bytes, sha256 } = source;
	return { path, name, format, bytes, sha256, offset, appends, images: split, equal };
}
