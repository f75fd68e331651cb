/**
 * A hundred processes that append are killed with SIGKILL at random moments, over and over on the same stores, while they
 * work, open them or recover them. Nothing that they were promised is missing afterwards. The kernel lives on: this is no
 * test of what a sync is worth.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { numbers } from "../unit/log/pattern.ts";
import { type LineOptions, StoreLine, type Tally } from "./store-line.ts";

const MiB = 1024 * 1024;
const seed = Number(process.env.STREAMBED_CRASH_SEED ?? Date.now() % 1_000_000);
const random = numbers(seed);
const tally: Tally = {
	kills: 0,
	whileOpening: 0,
	library: 0,
	commandLine: 0,
	exactCommands: 0,
	acknowledged: 0,
	checks: 0,
};
let parent = "";

beforeAll(async () => {
	parent = await mkdtemp(join(tmpdir(), "streambed-crash-"));
});

afterAll(async () => {
	console.info(`${JSON.stringify(tally)} STREAMBED_CRASH_SEED=${seed}`);
	await rm(parent, { recursive: true, force: true });
});

const large: LineOptions = { durability: "sync", journalBytes: 64 * MiB, segmentBytes: 64 * MiB };
const small: LineOptions = { durability: "sync", journalBytes: 16 * MiB, segmentBytes: 65_536 };
const unsynced: LineOptions = { ...small, durability: "os" };

/** Lines of killed processes, each on a store of its own. */
const lines = [
	{ by: "the library", name: "sync, one segment", options: large, times: 16 },
	{ by: "the library", name: "sync, small segments", options: small, times: 17 },
	{ by: "the library", name: "sync, small segments, again", options: small, times: 17 },
	{ by: "the library", name: "os, small segments", options: unsynced, times: 16 },
	{ by: "the command line", name: "fed without pause", options: large, times: 17 },
	{ by: "the command line", name: "fed without pause, again", options: large, times: 17 },
].map((line) => ({ ...line, seed: random(2 ** 31) }));

describe("killed processes", { timeout: 600_000 }, () => {
	// Side by side: while one store is checked in here, processes work on the others.
	it.concurrent.each(lines)("using $by, $name, lose nothing", async ({ by, name, options, times, seed }) => {
		const chance = numbers(seed);
		const line = new StoreLine(join(parent, name.replaceAll(/\W+/g, "-")), options, seed, tally);
		for (let run = 1; run <= times; run++) {
			const fed = by === "the command line";
			await (fed ? line.killCommandLine() : line.killLibrary());
			// Else the next process recovers what this one left, and may be killed over it. What is fed has to go on where
			// the stream ends, which a check finds out.
			if (fed || chance(3) > 0 || run === times) await line.check();
		}
		expect(line.acknowledgedBytes).toBeGreaterThan(100_000);
	});

	it("were a hundred, most of them at work", () => {
		expect(tally.kills).toBeGreaterThanOrEqual(100);
		expect(tally.kills).toBe(tally.library + tally.commandLine);
		expect(tally.exactCommands).toBeGreaterThan(0);
		expect(tally.checks).toBeGreaterThan(tally.kills / 3);
		expect(tally.whileOpening).toBeLessThan(tally.kills / 2);
	});
});
