/** Runs every example as a process of its own, in an empty folder, as a reader of the docs would. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
	copyFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { open } from "../../src/index.ts";
import { allPictures, jpegWithThumbnail, plainJpeg, plainPng } from "../unit/examples/images.ts";

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));

let folder: string;
const running = new Set<ChildProcess>();

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "streambed-examples-"));
});

afterEach(() => {
	for (const child of running) child.kill("SIGKILL");
	rmSync(folder, { recursive: true, force: true });
});

describe("examples", () => {
	it("are all run by these tests", () => {
		const names = readdirSync(examples).filter((name) => name.endsWith(".ts"));
		expect(names.sort()).toEqual([
			"iguazio-streams.ts",
			"images.ts",
			"live-tail.ts",
			"pravega-bytes.ts",
			"pravega-events.ts",
			"quickstart.ts",
			"records.ts",
			"stream-ops.ts",
		]);
		for (const name of names) expect(readFileSync(join(examples, name), "utf8")).toMatch(/^\/\/ |^\/\*\*\n \* /);
	});

	it("quickstart prints what its comments say", async () => {
		const source = readFileSync(join(examples, "quickstart.ts"), "utf8");
		const printed = [...source.matchAll(/(?:console\.log|stdout\.write)\(.*; \/\/ (.*)$/gm)].map(([, text]) => text);
		expect(printed).toHaveLength(4);
		const { code, stdout, stderr } = await run("quickstart.ts");
		expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
		expect(stdout).toBe(`${printed.join("\n")}\n`);
	});

	it.each(["memory:", "file:./data"])("records walks through a record stream and its growth on %s", async (url) => {
		const { code, stdout, stderr } = await run("records.ts", url);
		expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
		expect(stdout.trimEnd().split("\n")).toEqual([
			"kitchen is on one shard: true",
			"named a shard: true",
			"head: sequence 0, 21 °C",
			"last of its shard: kitchen, 22 °C",
			"between the cuts: 23 °C",
			"kitchen, in order: 21 22 23 24 25",
			"STREAMBED_POSITION_MISMATCH",
		]);
	});

	it.each(["memory:", "file:./data"])(
		"iguazio-streams walks through putting, seeking, getting, growing on %s",
		async (url) => {
			const { code, stdout, stderr } = await run("iguazio-streams.ts", url);
			expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
			expect(stdout.trimEnd().split("\n")).toEqual([
				"created web/clicks with 2 shards",
				"records of one key meet in a shard: true, unless it is named: 1",
				"without a key they take turns: 13 records, 7 and 6",
				"alice at /paid, client info v2",
				"EARLIEST: started ready request stopped",
				"TIME: ready request stopped",
				"SEQUENCE: request stopped",
				"LATEST: nothing yet",
				"got started ready request, 1 left",
				"got stopped, 0 left",
				"got nothing, 0 left",
				"from the same location: again",
				"29 of 100 keys moved, all of them to shard 2",
			]);
		},
	);

	it.each(["memory:", "file:./data"])("pravega-events walks through keys, readers, scaling on %s", async (url) => {
		const { code, stdout, stderr } = await run("pravega-events.ts", url);
		expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
		expect(stdout.trimEnd().split("\n")).toEqual([
			"created factory/measurements with 2 shards",
			"wrote events 0 to 2 of 4 devices, durable",
			"reader of shard 0: press-1 0 1 2, saw 0 1 2",
			"reader of shard 1: oven 0 1 2, press-2 0 1 2",
			"wrote events 3 to 4 of 4 devices, durable",
			"events are on 4 of 4 shards",
			"all of them, merged: oven 0 1 2 3 4, press-1 0 1 2 3 4, press-2 0 1 2 3 4, saw 0 1 2 3 4",
			"behind the cut: oven 3 4, press-1 3 4, press-2 3 4, saw 3 4",
			"numbers: 7 70000",
			"a follower ended: true",
		]);
	});

	it.each(["memory:", "file:./data"])("pravega-bytes walks through Pravega's byte client on %s", async (url) => {
		const { code, stdout, stderr } = await run("pravega-bytes.ts", url);
		expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
		expect(stdout.trimEnd().split("\n")).toEqual([
			"created myscope/mystream",
			"tail: 0",
			"wrote 11 bytes at 0, durable from 0 to 11",
			"head after truncation: 4",
			"sealed at: 11",
			'read 4 bytes at 4: "o wo"',
			'read 3 bytes at 8: "rld"',
			"outcome: end",
		]);
	});

	it("stream-ops walks through StreamStorageFS, and leaves the bytes that Java leaves", async () => {
		const { code, stdout, stderr } = await run("stream-ops.ts", "streams");
		expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
		expect(stdout.trimEnd().split("\n")).toEqual([
			"next offset: 3",
			"an object at 3",
			"JSON text at 4",
			"stream-1-0000000000000000: 75 bytes",
			"at its end: -1",
			"0: [0,1,2,3,4,5,6,7]",
			"1: [7,6,5,4,3,2,1,0]",
			"2: [0,1,2,3,3,2,1,0]",
			'3: {"sensor":"t1","celsius":21.5}',
			'4: {"sensor":"t1"}',
		]);
		expect(readdirSync(join(folder, "streams"))).toEqual(["stream-1"]);
		const seed = "0108000102030405060701080706050403020100010800010203030201" + "00";
		const block = readFileSync(join(folder, "streams/stream-1/stream-1-0000000000000000"));
		expect(block.subarray(0, 30).toString("hex")).toBe(seed);
	});

	it("images stores pictures, splits them again and reads one alone, also behind those of an earlier run", async () => {
		const first = await run("images.ts", "file:./data");
		expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: "" });
		const stored = /^stored 3 files from 0 to (\d+)$/m.exec(first.stdout)?.[1];
		expect(stored).toBeDefined();
		expect(first.stdout.match(/: equal$/gm)).toHaveLength(1);
		expect(first.stdout.match(/^\S+: (jpeg|png), \d+ bytes at \d+, equal$/gm)).toHaveLength(3);
		writeFileSync(join(folder, "a.png"), plainPng);
		writeFileSync(join(folder, "b.jpg"), jpegWithThumbnail);
		const second = await run("images.ts", "file:./data", "a.png", "b.jpg");
		expect(second.code, second.stderr).toBe(0);
		expect(second.stdout).toContain(`stored 2 files from ${stored} to `);
		expect(second.stdout).toContain(`a.png: png, ${plainPng.length} bytes at ${stored}, equal`);
		expect(second.stdout).toMatch(/^image 2 alone, from \d+ to \d+: equal$/m);
	});

	it("live-tail shows each frame in order and ends by itself", async () => {
		const { code, stdout, stderr } = await run("live-tail.ts", "memory:", "7");
		expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
		const lines = stdout.trimEnd().split("\n");
		expect(lines.pop()).toBe("the film has ended after 7 frames");
		let offset = 0;
		lines.forEach((line, i) => {
			const [, frame, at, bytes] = /^frame (\d+) at (\d+): (\d+) bytes, [\d.]+ ms after it was sent$/.exec(line) ?? [];
			expect([Number(frame), Number(at)]).toEqual([i, offset]);
			offset += Number(bytes);
		});
		expect(lines).toHaveLength(7);
	});
});

describe("demo", () => {
	it("stores its own pictures, one beyond the limit of an append, and brings them out whole", async () => {
		const { code, stdout, stderr } = await run("demo/main.ts", "--json");
		expect(code, stderr).toBe(0);
		expect(stderr).not.toContain("\u001b");
		const result = JSON.parse(stdout) as DemoJson;
		expect(result).toMatchObject({ ok: true, store: join(folder, "demo-out/store") });
		expect(result.followed).toEqual({ images: result.files.length, equal: true });
		expect(result.files.map((file) => file.format)).toEqual(expect.arrayContaining(["jpeg", "png"]));
		const large = result.files.find((file) => file.bytes > 8 * 1024 * 1024);
		expect(large?.appends).toBeGreaterThan(1);
		let offset = 0;
		for (const file of result.files) {
			expect(file).toMatchObject({ equal: true, offset });
			expect(sha256(readFileSync(file.images[0] as string))).toBe(file.sha256);
			expect(sha256(readFileSync(join(folder, "demo-out/input", file.name)))).toBe(file.sha256);
			offset += file.bytes;
		}
		expect(result.bytes).toBe(offset);
		expectSheet(result.contactSheet, result.files.length);
		expect(readFileSync(result.contactSheet, "utf8")).toContain("The measurements");
	});

	it("puts its own measurements on shards, which grow meanwhile, and brings each sensor's out in order", async () => {
		const { code, stdout } = await run("demo/main.ts", "--json");
		const { measurements } = JSON.parse(stdout) as DemoJson;
		const all = { records: 120_000, inOrder: true };
		expect([code, measurements]).toMatchObject([0, { ok: true, records: 120_000, followed: all, readBack: all }]);
		const lines = readFileSync(join(folder, "demo-out/input/measurements.ndjson"), "utf8").trimEnd().split("\n");
		expect(lines).toHaveLength(120_000);
		const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
		const shards = measurements?.shards ?? [];
		expect([shards.length, sum(shards.map(({ records }) => records))]).toEqual([8, 120_000]);
		const before = sum(shards.map((shard) => shard.before));
		expect(before > 0 && before <= 60_000).toBe(true);
		await using store = await open(`file:${join(folder, "demo-out/store")}`, { mode: "read" });
		const { sensor } = JSON.parse(lines[0] as string) as { sensor: string };
		const read: string[] = [];
		for await (const { key, value } of store.scope("demo").stream("measurements", { kind: "records" }).read()) {
			if (key === sensor) read.push(new TextDecoder().decode(value));
		}
		expect(read).toEqual(lines.filter((line) => line.includes(`"${sensor}"`)));
	});

	it("tells people what it found and where to look", async () => {
		writeFileSync(join(folder, "a.jpg"), plainJpeg);
		const { code, stdout } = await run("demo/main.ts", "a.jpg", "--out", "mine");
		expect(code).toBe(0);
		expect(stdout).toContain("1 file, ");
		expect(stdout).toContain("Everything came out as it went in.");
		const sheet = fileURLToPath(/file:\/\/\S+/.exec(stdout)?.[0] ?? "");
		expect(sheet).toBe(join(folder, "mine/index.html"));
		expectSheet(sheet, 1);
	});

	it("takes files of the user under any name and with several images in one", async () => {
		const names = ["a b#c%&'<i>.jpeg", "..png", "ähnlich 雪.PNG", "-x.jpg", `${"l".repeat(200)}.jpg`];
		names.forEach((name, i) => {
			writeFileSync(join(folder, name), allPictures[i % allPictures.length] as Uint8Array);
		});
		mkdirSync(join(folder, "sub"));
		writeFileSync(join(folder, "sub/ähnlich 雪.PNG"), Buffer.concat([plainJpeg, plainJpeg]));
		const files = [...names, "sub/ähnlich 雪.PNG"];
		const { code, stdout, stderr } = await run("demo/main.ts", "--json", "--", ...files);
		expect(code, stderr).toBe(0);
		const result = JSON.parse(stdout) as DemoJson;
		expect(result.files.map((file) => file.name)).toEqual([...names, "ähnlich 雪.PNG"]);
		expect(result.followed).toEqual({ images: files.length + 1, equal: true });
		expect(result.files.at(-1)).toMatchObject({ format: "jpeg", equal: true });
		expect(result.files.at(-1)?.images).toHaveLength(2);
		expectSheet(result.contactSheet, files.length + 1);
		for (const name of readdirSync(join(folder, "demo-out/images")))
			expect(name).toMatch(/^0\d-[\p{L}\p{N}_.-]+\.(jpg|png)$/u);
	});

	it("names every file that is no whole picture, exits with 2, and writes nothing", async () => {
		writeFileSync(join(folder, "good.png"), plainPng);
		writeFileSync(join(folder, "text.jpg"), "no picture");
		writeFileSync(join(folder, "cut.jpg"), plainJpeg.subarray(0, 500));
		writeFileSync(join(folder, "more.png"), Buffer.concat([plainPng, Buffer.from("trailer")]));
		writeFileSync(join(folder, "empty.png"), "");
		mkdirSync(join(folder, "folder"));
		const bad = ["text.jpg", "cut.jpg", "more.png", "empty.png", "folder", "missing.png"];
		const plain = await run("demo/main.ts", "good.png", ...bad);
		expect(plain).toMatchObject({ code: 2, stdout: "" });
		for (const [name, why] of Object.entries({
			"text.jpg": "neither a JPEG",
			"cut.jpg": "cut off after 500 bytes",
			"more.png": `which ends at ${plainPng.length}`,
			"empty.png": "is empty",
			folder: "is a folder",
			"missing.png": "there is no such file",
		})) {
			expect(plain.stderr).toMatch(new RegExp(`${name}: .*${why}`));
		}
		expect(plain.stderr).not.toContain("good.png");
		expect(existsSync(join(folder, "demo-out"))).toBe(false);

		const json = await run("demo/main.ts", "--json", "good.png", "cut.jpg");
		expect(json.code).toBe(2);
		const { error } = JSON.parse(json.stderr) as { error: { details: { files: string[] } } };
		expect(error.details.files).toEqual([join(folder, "cut.jpg")]);
	});

	it("empties its own folder on the next run, and only that", async () => {
		writeFileSync(join(folder, "a.jpg"), plainJpeg);
		expect((await run("demo/main.ts", "a.jpg")).code).toBe(0);
		writeFileSync(join(folder, "demo-out/notes.txt"), "mine");
		copyFileSync(join(folder, "a.jpg"), join(folder, "b.jpg"));
		expect((await run("demo/main.ts", "b.jpg")).code).toBe(0);
		expect(readdirSync(join(folder, "demo-out/images"))).toEqual(["01-b.jpg"]);
		expect(readFileSync(join(folder, "demo-out/notes.txt"), "utf8")).toBe("mine");
	});

	it("refuses a folder that is not its own, and files that lie where it would empty", async () => {
		mkdirSync(join(folder, "foreign"));
		writeFileSync(join(folder, "foreign/letter.txt"), "mine");
		writeFileSync(join(folder, "a.jpg"), plainJpeg);
		const foreign = await run("demo/main.ts", "--out", "foreign", "a.jpg");
		expect(foreign.code).toBe(2);
		expect(foreign.stderr).toContain("not the demo's");
		expect(readdirSync(join(folder, "foreign"))).toEqual(["letter.txt"]);
		expect((await run("demo/main.ts", "--out", "a.jpg", "a.jpg")).code).toBe(2);

		expect((await run("demo/main.ts", "a.jpg")).code).toBe(0);
		const own = await run("demo/main.ts", "demo-out/images/01-a.jpg");
		expect(own.code).toBe(2);
		expect(own.stderr).toContain("lies in it");
		expect(existsSync(join(folder, "demo-out/images/01-a.jpg"))).toBe(true);
	});

	it("explains itself, and refuses options that it does not know", async () => {
		const help = await run("demo/main.ts", "--help");
		expect(help).toMatchObject({ code: 0, stderr: "" });
		expect(help.stdout).toContain("Usage: npm run demo");
		const unknown = await run("demo/main.ts", "--jsno");
		expect(unknown).toMatchObject({ code: 2, stdout: "" });
		expect(unknown.stderr).toContain("--jsno");
	});
});

interface DemoJson {
	readonly measurements?: {
		readonly shards: readonly { readonly records: number; readonly before: number }[];
	};
	readonly ok: boolean;
	readonly files: readonly {
		readonly name: string;
		readonly bytes: number;
		readonly offset: number;
		readonly sha256: string;
		readonly equal: boolean;
		readonly format: string;
		readonly appends: number;
		readonly images: readonly string[];
	}[];
	readonly bytes: number;
	readonly store: string;
	readonly contactSheet: string;
	readonly followed: { readonly images: number; readonly equal: boolean };
}

/** Every picture that the page shows is there, each once, and nothing comes from elsewhere. */
function expectSheet(path: string, pictures: number): void {
	const html = readFileSync(path, "utf8");
	const sources = [...html.matchAll(/<img src="([^"]+)" alt="[^"]+"/g)].map(([, source]) =>
		decodeURIComponent(source as string),
	);
	expect(new Set(sources).size).toBe(pictures);
	for (const source of sources) expect(existsSync(join(path, "..", source)), source).toBe(true);
	expect(html).not.toMatch(/https?:|<script|<i>/);
}

function sha256(bytes: Uint8Array): string {
	return createHash("sha256").update(bytes).digest("hex");
}

interface Outcome {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

function run(script: string, ...args: readonly string[]): Promise<Outcome> {
	const child = spawn(process.execPath, [join(examples, script), ...args], {
		cwd: folder,
		stdio: ["ignore", "pipe", "pipe"],
	});
	running.add(child);
	let [stdout, stderr] = ["", ""];
	child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
	child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
	return new Promise((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (code) => {
			running.delete(child);
			resolve({ code, stdout, stderr });
		});
	});
}
