/** The soak, for seconds instead of an hour: that it runs clean, and that it can fail. */
import { execFile } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { acts } from "../../scripts/soak/acts.ts";
import { faults } from "../../scripts/soak/faults.ts";
import { measures, type Sample } from "../../scripts/soak/measures.ts";
import { slope, type Trend, trendsOf } from "../../scripts/soak/verdict.ts";

const script = fileURLToPath(new URL("../../scripts/soak.ts", import.meta.url));
const TWENTY_SECONDS = String(20 / 60);
const TWELVE_SECONDS = String(12 / 60);

let folder = "";

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), "streambed-soaked-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Soaked {
	readonly exitCode: number;
	readonly stdout: string;
	readonly stderr: string;
}

/** Runs the script as `npm run soak` does. */
function soak(minutes: string, ...args: readonly string[]): Promise<Soaked> {
	const given = [script, "--minutes", minutes, "--sample", "1", "--reopen", "5", ...args];
	return new Promise((resolve) => {
		execFile(process.execPath, given, { env: { ...process.env, TMPDIR: folder } }, (error, stdout, stderr) =>
			resolve({ exitCode: Number(error?.code ?? 0), stdout, stderr }),
		);
	});
}

/** Measures by name that have grown too much. */
function grown({ stdout }: Soaked): string[] {
	const { trends } = JSON.parse(stdout) as { trends: Trend[] };
	return trends.filter(({ ok }) => !ok).map(({ name }) => name);
}

describe.concurrent("a soak", { timeout: 120_000 }, () => {
	it("of twenty seconds does everything that it can do, and finds nothing", async () => {
		const { exitCode, stdout, stderr } = await soak(TWENTY_SECONDS, "--json");
		expect(stderr).toBe("");
		const { ok, counts, trends, seconds } = JSON.parse(stdout);
		expect({ exitCode, ok }, stdout).toEqual({ exitCode: 0, ok: true });
		// Timers may be some milliseconds early.
		expect(seconds).toBeGreaterThan(19);
		const done = [
			"create",
			"delete",
			"follow",
			"reopen",
			"written",
			"compared",
			"second compared",
			...Object.keys(acts),
		];
		expect(done.filter((name) => !(counts[name] > 0))).toEqual([]);
		expect(trends).toHaveLength(measures.length);
		console.log(`soak: ${JSON.stringify(counts)}`);
	});

	it.each([
		["leak-heap", "heap"],
		["leak-buffers", "arrayBuffers"],
		["leak-descriptors", "descriptors"],
		["leak-timers", "resources"],
	])("that holds on to something is red: %s", async (fault, measure) => {
		const soaked = await soak(TWELVE_SECONDS, "--json", "--rate", "0.1", "--fault", fault);
		expect([soaked.stderr, soaked.exitCode]).toEqual(["", 1]);
		expect(grown(soaked)).toContain(measure);
	});

	it("ends at once where data is not what it must be, and says how", async () => {
		const { exitCode, stdout, stderr } = await soak("10", "--fault", "wrong-byte");
		expect(exitCode).toBe(1);
		expect(stderr).toMatch(/seed 1: data is not what it must be; the store is in .*streambed-soak-/);
		expect(stderr).toMatch(/has a wrong byte at \d+/);
		expect(stdout).not.toContain("nothing is beyond");
		const [, kept = ""] = /the store is in .*(streambed-soak-\w+)/.exec(stderr) ?? [];
		expect(readdirSync(folder)).toContain(kept);
	});

	it("knows the faults that it can make, and refuses others", async () => {
		const { exitCode, stderr } = await soak("1", "--fault", "nothing");
		expect(exitCode).toBe(1);
		expect(stderr).toContain(`there are ${Object.keys(faults).join(", ")}`);
	});
});

describe("the verdict", () => {
	const hour = (valueAt: (second: number) => number): Sample[] =>
		Array.from({ length: 360 }, (_, index) => ({
			second: 10 * index,
			values: Object.fromEntries(measures.map(({ name }) => [name, valueAt(10 * index)])),
		}));
	/** Of the measures that are judged by their growth. */
	const red = (samples: readonly Sample[]): boolean[] =>
		trendsOf(samples)
			.filter(({ judged }) => judged === "growth")
			.map(({ ok }) => !ok);
	const redOnes = (samples: readonly Sample[]): string[] =>
		trendsOf(samples)
			.filter(({ ok }) => !ok)
			.map(({ name }) => name);

	it("is by the line of least squares", () => {
		const near = (second: number): number => 3 * second + (second % 2 === 0 ? 1 : -1);
		const points = Array.from({ length: 101 }, (_, second) => [second, near(second)] as const);
		expect(slope(points)).toBeCloseTo(3, 2);
	});

	it("lets measures swing, and rise while it warms up", () => {
		expect(red(hour((second) => 100 + 10 * Math.sin(second / 50)))).not.toContain(true);
		expect(red(hour((second) => Math.min(second, 1700)))).not.toContain(true);
	});

	it("is red where a measure rises all the time, be it slowly", () => {
		expect(red(hour((second) => 100 + second / 40 + 30 * Math.sin(second / 50)))).toContain(true);
		expect(red(hour((second) => second / 50))).not.toContain(false);
	});

	it("takes resident memory by its greatest value, at any time, and all else by its growth", () => {
		const judged = measures.filter((measure) => measure.judged === "most").map(({ name }) => name);
		expect(judged).toEqual(["rss", "second rss"]);
		const steady = hour(() => 100);
		const with_ = (at: number, name: string, value: number): Sample[] =>
			steady.map((sample, index) => (index < at ? sample : { ...sample, values: { ...sample.values, [name]: value } }));
		expect(redOnes(steady)).toEqual([]);
		expect(redOnes(with_(300, "rss", 380))).toEqual([]);
		expect(redOnes(with_(359, "rss", 400))).toEqual(["rss"]);
		expect(redOnes(with_(0, "second rss", 400))).toEqual(["second rss"]);
		expect(redOnes(with_(270, "heap", 380))).toEqual(["heap"]);
		const early = steady.with(3, { second: 30, values: { ...steady[3]?.values, rss: 400, heap: 400 } });
		expect(redOnes(early)).toEqual(["rss"]);
	});

	it("is not good after a run that was too short to tell", () => {
		expect(red(hour(() => 1).slice(0, 4))).not.toContain(false);
	});

	it("leaves out what the system does not tell, and nothing else", () => {
		const samples = hour(() => 1).map((sample) => ({
			...sample,
			values: { ...sample.values, descriptors: Number.NaN },
		}));
		expect(trendsOf(samples).map(({ name }) => name)).not.toContain("descriptors");
		expect(trendsOf(samples)).toHaveLength(measures.length - 1);
	});
});
