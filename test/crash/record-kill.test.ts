/**
 * Processes that write records in parts, and appends over several shards beside them, are killed with SIGKILL, over and
 * over on the same store. What was promised is there with all of its parts, everything else whole or not at all.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { open, type RecordStream, verifyStore } from "../../src/index.ts";
import { numbers } from "../unit/log/pattern.ts";
import { runAndKill } from "./killing.ts";
import type { RecordChildPlan } from "./record-child.ts";
import { largeValue, numberOf, RECORD_SHARDS } from "./record-values.ts";

const childPath = fileURLToPath(new URL("record-child.ts", import.meta.url));
const KILLS = 12;
const seed = Number(process.env.STREAMBED_CRASH_SEED ?? Date.now() % 1_000_000);
let folder = "";

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), "streambed-crash-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

interface Found {
	/** By number, how often. */
	readonly large: Map<number, number>;
	/** Small records, by shard. */
	readonly small: number[];
}

/** Reads all shards; fails where a record in parts is not whole. */
async function read(stream: RecordStream, context: string): Promise<Found> {
	const large = new Map<number, number>();
	const small = new Array<number>(RECORD_SHARDS).fill(0);
	let parts: Buffer[] = [];
	for await (const { shard, value, key, part } of stream.read()) {
		if (part === undefined && key === null) {
			expect(parts.length, context).toBe(0);
			small[shard] = (small[shard] as number) + 1;
			continue;
		}
		expect(part?.index ?? 0, context).toBe(parts.length);
		parts.push(Buffer.from(value));
		if (part?.last === false) continue;
		const whole = Buffer.concat(parts);
		const number = numberOf(whole);
		expect(Buffer.compare(whole, largeValue(number)), `${context}: record ${number}`).toBe(0);
		large.set(number, (large.get(number) ?? 0) + 1);
		parts = [];
	}
	expect(parts.length, context).toBe(0);
	return { large, small };
}

describe("killed processes that write records in parts", { timeout: 600_000 }, () => {
	it("leave each of them whole or not at all, and lose none that was promised", async () => {
		const random = numbers(seed);
		const begun = new Set<number>();
		const promised = new Set<number>();
		let killed = 0;
		for (let run = 1; run <= KILLS; run++) {
			const context = `kill ${run}, STREAMBED_CRASH_SEED=${seed}`;
			const plan: RecordChildPlan = { folder, seed: random(2 ** 31), first: run * 100_000 };
			const opening = random(4) === 0;
			const moment = { after: opening ? "opening" : "ready", ms: random(opening ? 60 : 250), atLatestMs: 20_000 };
			const { lines, stderr, byUs } = await runAndKill([childPath, JSON.stringify(plan)], moment);
			expect([stderr, byUs], context).toEqual(["", true]);
			killed++;
			for (const line of lines) {
				const [what, number] = line.split(" ");
				if (what === "A") begun.add(Number(number));
				if (what === "a") promised.add(Number(number));
			}
			// Else the next process recovers what this one left.
			if (run < KILLS && random(3) === 0) continue;
			await using store = await open(folder);
			const stream = await store
				.scope("s")
				.ensure("r", { kind: "records", shards: RECORD_SHARDS, segmentBytes: 65_536 });
			const { large, small } = await read(stream, context);
			for (const number of promised) expect(large.get(number), `${context}: promised record ${number}`).toBe(1);
			for (const [number, times] of large) {
				expect([begun.has(number), times], `${context}: record ${number}`).toEqual([true, 1]);
			}
			// At one stroke in all shards.
			expect(new Set(small).size, `${context}: ${small}`).toBe(1);
		}
		expect((await verifyStore(folder)).problems).toEqual([]);
		expect(killed).toBe(KILLS);
		expect(promised.size).toBeGreaterThan(3);
		console.info(JSON.stringify({ killed, begun: begun.size, promised: promised.size }));
	});
});
