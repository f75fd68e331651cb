import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { contactSheet } from "../../../examples/demo/contact-sheet.ts";
import { type ImageRecord, recordImages, sameRecords } from "../../../examples/demo/image-record.ts";
import { runDemo } from "../../../examples/demo/job.ts";
import { writeMeasurements } from "../../../examples/demo/measurements-file.ts";
import { checkOrder, complete, runMeasurements } from "../../../examples/demo/measurements-job.ts";
import { measurementsSection } from "../../../examples/demo/measurements-section.ts";
import { emptyOutput, imageName, outputFolder } from "../../../examples/demo/output-folder.ts";
import { formatBytes, Progress, printable } from "../../../examples/demo/progress.ts";
import type { DemoResult } from "../../../examples/demo/result.ts";
import { shardBars } from "../../../examples/demo/shard-bars.ts";
import { checkFiles, type Source } from "../../../examples/demo/sources.ts";
import { splitImages } from "../../../examples/images/splitter.ts";
import { open } from "../../../src/index.ts";
import { plainJpeg, plainPng } from "./images.ts";

describe("names of split images", () => {
	it.each([
		["photo.jpeg", "02-photo.jpg"],
		["a/b/../photo.JPG", "02-photo.jpg"],
		["..jpg", "02-picture.jpg"],
		["…", "02-picture.jpg"],
		['<img src="x">.jpg', "02-img-src-x.jpg"],
		["две недели.jpg", "02-две-недели.jpg"],
		["-rf", "02-rf.jpg"],
		[`${"x".repeat(300)}.jpg`, `02-${"x".repeat(40)}.jpg`],
	])("turn %s into %s", (name, expected) => {
		expect(imageName({ number: 2, of: 7, name }, 0, "jpeg")).toBe(expected);
	});

	it("differ for images of one file, and sort by number", () => {
		const file = { number: 12, of: 1000, name: "a.png" };
		expect([0, 1].map((part) => imageName(file, part, "png"))).toEqual(["0012-a.png", "0012-a.2.png"]);
	});
});

describe("image records", () => {
	it("tell a changed, a moved and a missing image", async () => {
		const original = await records([plainJpeg, plainPng]);
		const changed = Buffer.from(plainJpeg);
		changed[plainJpeg.length - 5] = (changed[plainJpeg.length - 5] as number) ^ 1;
		expect(sameRecords(await records([plainJpeg, plainPng]), original)).toBe(true);
		expect(sameRecords(await records([changed, plainPng]), original)).toBe(false);
		expect(sameRecords(await records([plainPng, plainJpeg]), original)).toBe(false);
		expect(sameRecords(await records([plainJpeg]), original)).toBe(false);
		expect(sameRecords(await records([plainJpeg, plainPng, plainPng]), original)).toBe(false);
	});
});

describe("the page of the demo", () => {
	const pictures: DemoResult = {
		...{ ok: true, files: [], bytes: 5, appends: 1, seconds: 0.27, writeSeconds: 0.23 },
		...{ followed: { images: 0, equal: true }, single: { images: 0, equal: true } },
	};

	it("says of each time what it is of", () => {
		const page = contactSheet(pictures, undefined);
		expect(page).toContain("<dt>Written, each append synced</dt><dd>0.23 s</dd>");
		expect(page).toContain("<dt>Written, read back and compared</dt><dd>0.27 s</dd>");
	});

	it("names the measurements in its heading, where there are some", async () => {
		const heading = (page: string): string => /<h1>(.*)<\/h1>/.exec(page)?.[1] ?? "";
		expect(heading(contactSheet(pictures, undefined))).toBe("0 pictures in one byte stream");
		const root = mkdtempSync(join(tmpdir(), "streambed-demo-"));
		try {
			await writeMeasurements(join(root, "m"), 2500, 7);
			await using store = await open("memory:");
			const result = await runMeasurements(store, join(root, "m"), 2500, new Progress({ write: () => {} }));
			expect(heading(contactSheet(pictures, result))).toBe(
				"0 pictures in one byte stream, 2,500 measurements as records on 8 shards",
			);
		} finally {
			rmSync(root, { recursive: true });
		}
	});
});

describe("demo", () => {
	it("notices a file that went in differently from what was looked at", async () => {
		const root = mkdtempSync(join(tmpdir(), "streambed-demo-"));
		try {
			const paths = ["a.png", "b.jpg"].map((name) => join(root, name));
			writeFileSync(paths[0] as string, plainPng);
			writeFileSync(paths[1] as string, plainJpeg);
			const sources = await checkFiles(paths);
			const changed = Buffer.from(plainJpeg);
			changed[plainJpeg.length - 9] = 0x11;
			writeFileSync(paths[1] as string, changed);
			const result = await runInMemory(sources, join(root, "out"));
			expect(result).toMatchObject({ ok: false, followed: { images: 2, equal: false }, single: { equal: false } });
			expect(result.files.map((file) => file.equal)).toEqual([true, false]);
			expect(contactSheet(result, undefined)).toContain("Something differs");
			writeFileSync(paths[1] as string, plainJpeg);
			expect(await runInMemory(sources, join(root, "out"))).toMatchObject({
				ok: true,
				bytes: plainPng.length + plainJpeg.length,
			});
		} finally {
			rmSync(root, { recursive: true });
		}
	});
});

describe("measurements", () => {
	it("go through a growth in order, and are the same for the same seed", async () => {
		const root = mkdtempSync(join(tmpdir(), "streambed-demo-"));
		try {
			const [file, again, other] = ["a", "b", "c"].map((name) => join(root, name)) as [string, string, string];
			await writeMeasurements(file, 2500, 7);
			await writeMeasurements(again, 2500, 7);
			await writeMeasurements(other, 2500, 8);
			expect(readFileSync(again).equals(readFileSync(file))).toBe(true);
			expect(readFileSync(other).equals(readFileSync(file))).toBe(false);
			await using store = await open("memory:");
			const result = await runMeasurements(store, file, 2500, new Progress({ write: () => {} }));
			const all = { records: 2500, inOrder: true };
			expect(result).toMatchObject({ ok: true, records: 2500, grownFrom: 4, followed: all, readBack: all });
			expect(result.shards).toHaveLength(8);
			expect(result.shards.reduce((sum, shard) => sum + shard.records, 0)).toBe(2500);
			expect(measurementsSection(result)).toContain("every sensor in the order of the file");
			const bad = { ...result, followed: { records: 2500, inOrder: false } };
			expect(measurementsSection(bad)).toContain("Followed live: differs");
		} finally {
			rmSync(root, { recursive: true });
		}
	});

	it("that come in another order, or not all, are noticed", async () => {
		await using store = await open("memory:");
		const stream = await store.scope("a").create("b", { kind: "records" });
		const value = (text: string): Uint8Array => new TextEncoder().encode(text);
		await stream.append([
			{ key: "k", value: value("1") },
			{ key: "l", value: value("2") },
			{ key: "k", value: value("3") },
		]);
		const found = async (k: string[]): Promise<object> => {
			return complete(
				await checkOrder(
					stream.read(),
					new Map([
						["k", k],
						["l", ["2"]],
					]),
					() => {},
				),
				k.length + 1,
			);
		};
		expect(await found(["1", "3"])).toEqual({ records: 3, inOrder: true });
		expect(await found(["3", "1"])).toEqual({ records: 3, inOrder: false });
		expect(await found(["1"])).toEqual({ records: 3, inOrder: false });
		expect(await found(["1", "3", "4"])).toEqual({ records: 3, inOrder: false });
	});

	it("have bars that tell what came before the growth", () => {
		const [first, second, third] = shardBars([40, 20, 0], [20, 20]);
		expect([first, second, third].map((bar) => [bar?.match(/█/g)?.length ?? 0, bar?.match(/▒/g)?.length ?? 0])).toEqual(
			[
				[22, 22],
				[22, 0],
				[0, 0],
			],
		);
		expect(first).toMatch(/shard {2}0 .* 40$/);
		expect(shardBars([1], [])[0]).not.toContain("▒");
	});
});

describe("progress", () => {
	it("writes plain lines where there is no terminal", () => {
		expect(said({ isTTY: false })).toBe("done\nend\n");
	});

	it("changes one line on a terminal and leaves none of it behind", () => {
		expect(said({ isTTY: true })).toBe("half\r\u001b[Jdone\nend\n");
	});

	it("changes several lines on a terminal, none longer than it is wide", () => {
		let text = "";
		const progress = new Progress({ isTTY: true, columns: 5, write: (part) => (text += part) });
		progress.block(() => ["a", "bcdefgh", "i"]);
		progress.done("done");
		expect(text).toBe("a\nbcde\ni\u001b[2A\r\u001b[Jdone\n");
		new Progress({ write: () => expect.unreachable() }).block(() => expect.unreachable());
	});

	it("keeps control characters of file names from the terminal", () => {
		expect(printable("a\u001b[2Jb\rc\nd")).toBe("a\ufffd[2Jb\ufffdc\nd");
	});

	it("rounds sizes so that the unit changes in time", () => {
		expect([1, 999, 1000, 999_949, 999_950, 10_440_655].map(formatBytes)).toEqual([
			"1 byte",
			"999 bytes",
			"1.0 kB",
			"999.9 kB",
			"1.0 MB",
			"10.4 MB",
		]);
	});
});

async function runInMemory(sources: readonly Source[], path: string): Promise<DemoResult> {
	const folder = outputFolder(path);
	await emptyOutput(folder);
	await using store = await open("memory:");
	return await runDemo(store, sources, folder, new Progress({ write: () => {} }));
}

function said(output: { isTTY: boolean }): string {
	let text = "";
	const progress = new Progress({ ...output, write: (part) => (text += part) });
	progress.now("half");
	progress.done("done");
	progress.done("end");
	progress.end();
	return text;
}

function records(images: readonly Uint8Array[]): Promise<ImageRecord[]> {
	return Array.fromAsync(recordImages(splitImages(images)));
}
