/** The folder that a run of the demo writes to: made anew each time, and never one that is not the demo's own. */
import { mkdir, readdir, realpath, rm, stat, writeFile } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { ImageFormat } from "../images/framing.ts";
import { DemoError } from "./demo-error.ts";

/** Marks a folder as made by the demo. */
const markerName = ".streambed-demo";
const markerText = "This folder was made by Streambed's demo; each run empties what the last one wrote.\n";

/** What a run writes; all that a later run removes. */
const parts = { store: "store", input: "input", images: "images", sheet: "index.html" } as const;

/** Absolute paths of a run's output. */
export interface OutputFolder {
	readonly path: string;
	readonly store: string;
	/** Pictures that the demo makes itself. */
	readonly input: string;
	/** Measurements that it makes itself. */
	readonly measurements: string;
	/** Pictures split out of the stream. */
	readonly images: string;
	/** The contact sheet, and its URL. */
	readonly sheet: string;
	readonly sheetUrl: string;
}

/** Names the places in a folder; touches nothing. */
export function outputFolder(path: string): OutputFolder {
	const sheet = join(path, parts.sheet);
	return {
		path,
		store: join(path, parts.store),
		input: join(path, parts.input),
		measurements: join(path, parts.input, "measurements.ndjson"),
		images: join(path, parts.images),
		sheet,
		sheetUrl: pathToFileURL(sheet).href,
	};
}

/**
 * Refuses a folder that the demo may not empty: a foreign one that holds something, or one whose emptying would take
 * a file of the user with it.
 */
export async function checkOutput(folder: OutputFolder, userFiles: readonly string[]): Promise<void> {
	const existing = await stat(folder.path).catch(() => undefined);
	if (existing === undefined) return;
	if (!existing.isDirectory()) throw refused(folder, "it is a file");
	const names = await readdir(folder.path);
	if (names.length > 0 && !names.includes(markerName)) throw refused(folder, "it holds files that are not the demo's");
	const root = await realpath(folder.path);
	for (const file of userFiles) {
		const [first] = relative(root, await realpath(file)).split(sep);
		if (Object.values<string | undefined>(parts).includes(first)) {
			throw refused(folder, `each run empties it, and ${file} lies in it`);
		}
	}
}

/** Removes what the last run wrote and makes the folder ready for the next. */
export async function emptyOutput(folder: OutputFolder): Promise<void> {
	await mkdir(folder.path, { recursive: true });
	await writeFile(join(folder.path, markerName), markerText);
	for (const part of Object.values(parts)) await rm(join(folder.path, part), { recursive: true, force: true });
	await mkdir(folder.images);
}

/** A name for a picture in `images/`: number, what can be kept of the file's own name, and the format's ending. */
export function imageName(
	file: { number: number; of: number; name: string },
	part: number,
	format: ImageFormat,
): string {
	const digits = Math.max(2, String(file.of).length);
	const stem = basename(file.name).replace(/\.[^.]*$/, "");
	const kept = [...stem.normalize("NFC").replace(/[^\p{L}\p{N}_-]+/gu, "-")].slice(0, 40).join("");
	const clean = kept.replace(/^-+|-+$/g, "") || "picture";
	const counted = part === 0 ? clean : `${clean}.${part + 1}`;
	return `${String(file.number).padStart(digits, "0")}-${counted}.${format === "jpeg" ? "jpg" : "png"}`;
}

function refused(folder: OutputFolder, why: string): DemoError {
	return new DemoError(`cannot write to the folder ${folder.path}: ${why}`, "Choose another one with --out DIR.");
}
