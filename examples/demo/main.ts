/**
 * Shows what streams on disk do. First pictures in a byte stream: stores JPEG and PNG files one behind the other, splits
 * the stream back into pictures, live and afterwards, and compares them with what went in. Then measurements as records:
 * puts them on shards, grows the stream meanwhile, and looks whether each sensor's come back in their order.
 */
import { access, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { open, StreambedError } from "../../src/index.ts";
import { ImageError } from "../images/framing.ts";
import { contactSheet } from "./contact-sheet.ts";
import { DemoError } from "./demo-error.ts";
import { runDemo } from "./job.ts";
import { writeMeasurements } from "./measurements-file.ts";
import { type MeasurementsResult, runMeasurements } from "./measurements-job.ts";
import { checkOutput, emptyOutput, type OutputFolder, outputFolder } from "./output-folder.ts";
import { formatBytes, formatCount, Progress, printable } from "./progress.ts";
import type { DemoResult } from "./result.ts";
import { shardBars } from "./shard-bars.ts";
import { checkFiles, makeFiles, type Source } from "./sources.ts";

const usage = `Usage: npm run demo [-- FILES… --json --out DIR]

Stores JPEG and PNG files in one byte stream, splits them out again, and compares.
Without files it makes a few pictures itself, one of them larger than 8 MiB; and then
a file of 120,000 measurements, puts them as records on shards that grow meanwhile,
and reads them back.

  --out DIR   folder for the store, the pictures and the contact sheet (default: demo-out)
  --json      the result as one JSON object on stdout
  --help      this text`;

const measurementCount = 120_000;
const measurementSeed = 1;

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
	const results = await storeAndCompare(sources, folder, progress, given === undefined);
	await writeFile(folder.sheet, contactSheet(results.pictures, results.measurements));
	progress.end();
	console.log(json ? toJson(results, folder) : summary(results, folder));
	return isGood(results);
}

interface Results {
	readonly pictures: DemoResult;
	/** Not with files of the user. */
	readonly measurements: MeasurementsResult | undefined;
}

function isGood({ pictures, measurements }: Results): boolean {
	return pictures.ok && measurements?.ok !== false;
}

async function storeAndCompare(
	sources: readonly Source[],
	folder: OutputFolder,
	progress: Progress,
	isOwn: boolean,
): Promise<Results> {
	await using store = await open(`file:${folder.store}`);
	const pictures = await runDemo(store, sources, folder, progress);
	if (!isOwn) return { pictures, measurements: undefined };
	progress.done(`making ${formatCount(measurementCount, "measurement")}`);
	await writeMeasurements(folder.measurements, measurementCount, measurementSeed);
	const measurements = await runMeasurements(store, folder.measurements, measurementCount, progress);
	return { pictures, measurements };
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

function summary({ pictures: result, measurements }: Results, folder: OutputFolder): string {
	const { files, bytes, appends, seconds, writeSeconds, followed, single } = result;
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
		`  in all         ${seconds.toFixed(2)} s, written, read back and compared`,
		...(measurements === undefined ? [] : measurementsSummary(measurements)),
		`  store          ${printable(folder.store)}`,
		`  look at it     ${folder.sheetUrl}`,
		"",
		isGood({ pictures: result, measurements })
			? "Everything came out as it went in."
			: "Something came out differently from what went in.",
	].join("\n");
}

function measurementsSummary(result: MeasurementsResult): string[] {
	const { records, keys, shards, writeSeconds, followed, readBack } = result;
	const rate = Math.round(records / writeSeconds).toLocaleString("en");
	const verdict = (inOrder: boolean): string => (inOrder ? "each sensor in its order" : "DIFFERS");
	return [
		"",
		`${formatCount(records, "measurement")} of ${formatCount(keys, "sensor")}`,
		`  written        in ${writeSeconds.toFixed(2)} s, all on disk (${rate}/s), while the stream grew`,
		`  followed live  ${formatCount(followed.records, "record")}: ${verdict(followed.inOrder)}`,
		`  read back      ${formatCount(readBack.records, "record")}: ${verdict(readBack.inOrder)}`,
		...shardBars(
			shards.map((shard) => shard.records),
			shards.map((shard) => shard.before),
		),
		"            █ before the stream grew   ▒ after it",
		"",
	];
}

function toJson({ pictures: result, measurements }: Results, folder: OutputFolder): string {
	const ok = isGood({ pictures: result, measurements });
	const { bytes, appends, seconds, followed, single } = result;
	const files = result.files.map(({ name, bytes, offset, sha256, equal, format, appends, images }) => ({
		...{ name, bytes, offset, sha256, equal, format, appends },
		images: images.map((image) => join(folder.images, image.output)),
	}));
	return JSON.stringify({
		...{ ok, files, bytes, appends, store: folder.store, contactSheet: folder.sheet, seconds, followed, single },
		measurements,
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
