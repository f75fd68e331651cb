/**
 * Shows what a byte stream on disk does with real pictures: stores JPEG and PNG files one behind the other in one
 * stream, splits the stream back into pictures, live and afterwards, and compares them with what went in.
 */
import { access, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { open, StreambedError } from "../../src/index.ts";
import { ImageError } from "../images/framing.ts";
import { contactSheet } from "./contact-sheet.ts";
import { DemoError } from "./demo-error.ts";
import { runDemo } from "./job.ts";
import { checkOutput, emptyOutput, type OutputFolder, outputFolder } from "./output-folder.ts";
import { formatBytes, formatCount, Progress, printable } from "./progress.ts";
import type { DemoResult } from "./result.ts";
import { checkFiles, makeFiles, type Source } from "./sources.ts";

const usage = `Usage: npm run demo [-- FILES… --json --out DIR]

Stores JPEG and PNG files in one byte stream, splits them out again, and compares.
Without files it makes a few pictures itself, one of them larger than 8 MiB.

  --out DIR   folder for the store, the pictures and the contact sheet (default: demo-out)
  --json      the result as one JSON object on stdout
  --help      this text`;

interface Arguments {
	readonly files: readonly string[];
	readonly out: string;
	readonly json: boolean;
	readonly help: boolean;
}

function readArguments(argv: readonly string[]): Arguments {
	// npm runs scripts in the package's folder; what a user types is meant from where they are.
	const here = (process.env.npm_lifecycle_event === "demo" && process.env.INIT_CWD) || process.cwd();
	const options = { json: { type: "boolean" }, help: { type: "boolean" }, out: { type: "string" } } as const;
	try {
		const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
		return {
			files: positionals.map((file) => resolve(here, file)),
			out: values.out === undefined ? resolve("demo-out") : resolve(here, values.out),
			json: values.json === true,
			help: values.help === true,
		};
	} catch (error) {
		throw new DemoError((error as Error).message, usage);
	}
}

async function demo({ files, out, json }: Arguments): Promise<boolean> {
	const progress = new Progress(process.stderr);
	const folder = outputFolder(out);
	const given = files.length === 0 ? undefined : await checkFiles(files);
	await checkOutput(folder, files);
	await refuseStoreInUse(folder);
	await emptyOutput(folder);
	const sources = given ?? (await checkFiles(await makeFiles(folder.input, (name) => progress.done(`making ${name}`))));
	const result = await storeAndCompare(sources, folder, progress);
	await writeFile(folder.sheet, contactSheet(result));
	progress.end();
	console.log(json ? toJson(result, folder) : summary(result, folder));
	return result.ok;
}

async function storeAndCompare(
	sources: readonly Source[],
	folder: OutputFolder,
	progress: Progress,
): Promise<DemoResult> {
	await using store = await open(`file:${folder.store}`);
	return await runDemo(store, sources, folder, progress);
}

/** Emptying the folder of a demo that still runs would take its store away under it. */
async function refuseStoreInUse(folder: OutputFolder): Promise<void> {
	try {
		await access(join(folder.store, "store.json"));
		await (await open(`file:${folder.store}`)).close();
	} catch (error) {
		if (!StreambedError.is(error, "STREAMBED_LOCKED")) return; // none there, or a broken one: it may go
		throw new DemoError(`another process uses the store in ${folder.path}`, "Wait for it, or choose --out DIR.");
	}
}

function summary(result: DemoResult, folder: OutputFolder): string {
	const { files, bytes, appends, writeSeconds, followed, single } = result;
	const images = files.reduce((sum, file) => sum + file.images.length, 0);
	const rate = formatBytes(bytes / writeSeconds);
	const verdict = (equal: boolean): string => (equal ? "equal" : "DIFFERS");
	return [
		"",
		`${formatCount(files.length, "file")}, ${formatBytes(bytes)}, ${formatCount(appends, "append")}`,
		`  written        in ${writeSeconds.toFixed(2)} s, each append synced to disk (${rate}/s)`,
		`  split          ${formatCount(images, "picture")}: ${verdict(files.every((file) => file.equal))}`,
		`  followed live  ${formatCount(followed.images, "picture")}: ${verdict(followed.equal)}`,
		`  read alone     ${formatCount(single.images, "picture")}: ${verdict(single.equal)}`,
		`  store          ${printable(folder.store)}`,
		`  look at it     ${folder.sheetUrl}`,
		"",
		result.ok ? "Everything came out as it went in." : "Something came out differently from what went in.",
	].join("\n");
}

function toJson(result: DemoResult, folder: OutputFolder): string {
	const { ok, bytes, appends, seconds, followed, single } = result;
	const files = result.files.map(({ name, bytes, offset, sha256, equal, format, appends, images }) => ({
		...{ name, bytes, offset, sha256, equal, format, appends },
		images: images.map((image) => join(folder.images, image.output)),
	}));
	return JSON.stringify({
		...{ ok, files, bytes, appends, store: folder.store, contactSheet: folder.sheet, seconds, followed, single },
	});
}

/** Says what went wrong and returns the exit code. */
function report(error: unknown, json: boolean): number {
	if (!(error instanceof DemoError || error instanceof ImageError || StreambedError.is(error))) throw error;
	const { message } = error;
	const hint = error instanceof ImageError ? "The stream does not hold what was stored." : error.hint;
	const files = error instanceof DemoError ? error.files : [];
	if (json) console.error(JSON.stringify({ error: { message, hint, details: { files } } }));
	else console.error(printable(`error: ${message}\n${hint}`));
	return error instanceof DemoError ? 2 : 1;
}

const argv = process.argv.slice(2);
try {
	const given = readArguments(argv);
	if (given.help) console.log(usage);
	else process.exitCode = (await demo(given)) ? 0 : 1;
} catch (error) {
	process.exitCode = report(error, argv.includes("--json"));
}
