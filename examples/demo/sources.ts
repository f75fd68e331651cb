/** The pictures that go into the stream: the user's files, looked through before anything is written, or our own. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { dunes, filmFrame, grain, mosaic, ripples } from "../images/bitmap.ts";
import { ImageError, type ImageFormat } from "../images/framing.ts";
import { encodeJpeg } from "../images/jpeg.ts";
import { encodePng } from "../images/png.ts";
import { splitImages } from "../images/splitter.ts";
import { DemoError } from "./demo-error.ts";
import { type ImageRecord, recordImages } from "./image-record.ts";

/** A file that holds one image, or several one behind the other, as some cameras write them. */
export interface Source {
	readonly path: string;
	readonly name: string;
	readonly format: ImageFormat;
	readonly bytes: number;
	readonly sha256: string;
	/** Its images; `from` counts from the beginning of the file. */
	readonly images: readonly ImageRecord[];
}

/** Reads all files through; those that are no pictures are named together in one error. */
export async function checkFiles(paths: readonly string[]): Promise<readonly Source[]> {
	const sources: Source[] = [];
	const bad: { path: string; why: string }[] = [];
	for (const path of paths) {
		try {
			sources.push(await checkFile(path));
		} catch (error) {
			bad.push({ path, why: explain(error) });
		}
	}
	if (bad.length === 0) return sources;
	throw new DemoError(
		bad.map(({ path, why }) => `${path}: ${why}`).join("\n"),
		"Expected are whole JPEG or PNG files. Nothing was written.",
		bad.map(({ path }) => path),
	);
}

async function checkFile(path: string): Promise<Source> {
	const info = await stat(path);
	if (!info.isFile()) throw new DemoError(info.isDirectory() ? "is a folder, not a file" : "is not a regular file", "");
	if (info.size === 0) throw new DemoError("is empty", "");
	const hash = createHash("sha256");
	const images: ImageRecord[] = [];
	for await (const image of recordImages(
		splitImages(createReadStream(path)),
		(piece) => void hash.update(piece.bytes),
	)) {
		images.push(image);
	}
	const bytes = images.reduce((sum, image) => sum + image.bytes, 0);
	const format = (images[0] as ImageRecord).format;
	return { path, name: basename(path), format, bytes, sha256: hash.digest("hex"), images };
}

function explain(error: unknown): string {
	if (error instanceof DemoError) return error.message;
	if (error instanceof ImageError) {
		if (error.reason !== "not-an-image" || error.offset === 0) return error.message;
		return `behind the image, which ends at ${error.offset}, come bytes that are no image and have no framing of their own`;
	}
	const code = (error as NodeJS.ErrnoException).code;
	if (code === "ENOENT") return "there is no such file";
	if (code === "EACCES") return "may not be read";
	return (error as Error).message;
}

/** Paints a few pictures, one of them larger than a single append may be, and writes them as files. */
export async function makeFiles(folder: string, onPicture: (name: string) => void): Promise<readonly string[]> {
	const pictures: Readonly<Record<string, () => Uint8Array>> = {
		"dunes.jpg": () => encodeJpeg(dunes(480, 320)),
		"mosaic.png": () => encodePng(mosaic(420, 280)),
		"ripples.jpg": () =>
			encodeJpeg(ripples(420, 280), { restartEvery: 50, thumbnail: encodeJpeg(ripples(84, 56)), coarseness: 4 }),
		"grain.png": () => encodePng(grain(2400, 1600), 1),
		"film-08.jpg": () => encodeJpeg(filmFrame(360, 240, 8, 24)),
		"film-16.png": () => encodePng(filmFrame(360, 240, 16, 24)),
	};
	await mkdir(folder, { recursive: true });
	const paths: string[] = [];
	for (const [name, make] of Object.entries(pictures)) {
		onPicture(name);
		const path = join(folder, name);
		await writeFile(path, make());
		paths.push(path);
	}
	return paths;
}
