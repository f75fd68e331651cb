/**
 * Processes that append are killed with SIGKILL at random moments, over and over on the same store, while they work,
 * open it or recover it. Nothing that they were promised is missing afterwards. The kernel lives on: this is no test of
 * what a sync is worth.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { open, StreambedError, verifyStore } from "../../src/index.ts";
import { numbers, patterned } from "../unit/log/pattern.ts";
import { type Killed, type Moment, runAndKill } from "./killing.ts";
import type { ChildPlan } from "./library-child.ts";
import { SCOPE } from "./scenarios.ts";
import { StreamModel } from "./stream-model.ts";

const MiB = 1024 * 1024;
const childPath = fileURLToPath(new URL("library-child.ts", import.meta.url));
const mainPath = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const seed = Number(process.env.STREAMBED_CRASH_SEED ?? Date.now() % 1_000_000);
const random = numbers(seed);
let kills = 0;
let parent = "";
let folder = "";

beforeEach(async () => {
	parent = await mkdtemp(join(tmpdir(), "streambed-crash-"));
	folder = join(parent, "data");
});

afterEach(async () => {
	await rm(parent, { recursive: true, force: true });
});

afterAll(() => {
	console.info(`${kills} processes killed, STREAMBED_CRASH_SEED=${seed}`);
});

type Models = Map<string, StreamModel>;

/** Most often at work; every fourth time at some moment of the start, which is the recovery from the kill before. */
function nextMoment(ready: string): Moment {
	const atStart = random(4) === 0;
	const ms = atStart ? 120 + random(300) : random(350);
	return { after: atStart ? undefined : ready, ms, atLatestMs: 20_000 };
}

/** Takes note of what a child said. */
function hear(models: Models, lines: readonly string[]): void {
	for (const line of lines) {
		const [what = "", name = "", ...rest] = line.split(" ");
		const [first = 0, second = 0, third = 0] = rest.map(Number);
		if (what === "ready") continue;
		if (what === "C") models.set(name, new StreamModel(name, Number(name.split("-")[1])));
		const model = models.get(name) as StreamModel;
		const hearers: Record<string, () => void> = {
			o: () => model.settle(first, second, third === 1, `seed ${seed}, ${name} when opened by the next`),
			A: () => model.submitted(first),
			a: () => model.acknowledge(first),
			C: () => Object.assign(model, { createAsked: true }),
			c: () => Object.assign(model, { created: true }),
			D: () => Object.assign(model, { deleteAsked: true }),
			d: () => Object.assign(model, { deleted: true }),
			T: () => model.truncateAsked(first),
			t: () => model.truncated(first),
			L: () => Object.assign(model, { sealAsked: true }),
			l: () => Object.assign(model, { sealed: true }),
		};
		hearers[what]?.();
	}
}

/** Opens the store at once after a kill, which the lock must not hinder, and checks all that is known. */
async function check(models: Models, context: string, options: Parameters<typeof open>[1] = {}): Promise<void> {
	if (existsSync(join(folder, "store.json"))) {
		const { problems } = await verifyStore(folder);
		expect(problems, `${context}: verified before the opening`).toEqual([]);
	}
	const store = await open(folder, { ...options, create: false }).catch((error: unknown) => {
		// Killed before there was a store.
		if (StreambedError.is(error, "STREAMBED_NOT_FOUND") && models.size === 0) return undefined;
		throw new Error(`${context}: opening failed`, { cause: error });
	});
	if (store === undefined) return;
	try {
		for (const model of models.values()) await model.check(store, SCOPE, context);
	} finally {
		await store.close();
	}
	const { problems } = await verifyStore(folder);
	expect(problems, `${context}: verified after the opening`).toEqual([]);
}

function expectKilled({ byUs, stderr }: Killed, context: string): void {
	kills++;
	expect(stderr, context).toBe("");
	expect(byUs, `${context}: it ended before it was killed`).toBe(true);
}

const kinds = [
	{ durability: "sync", journalBytes: 64 * MiB, segmentBytes: 64 * MiB, times: 12 },
	{ durability: "sync", journalBytes: 16 * MiB, segmentBytes: 65_536, times: 14 },
	{ durability: "os", journalBytes: 16 * MiB, segmentBytes: 65_536, times: 14 },
] as const;

describe("a killed process", () => {
	it.each(kinds)(
		"using the library, $durability, segments of $segmentBytes bytes, loses nothing",
		{ timeout: 120_000 },
		async (kind) => {
			const { durability, journalBytes, segmentBytes, times } = kind;
			const models: Models = new Map();
			const options = { durability, limits: { journalBytes } };
			for (let run = 1; run <= times; run++) {
				const context = `seed ${seed}, kill ${run} of ${times}`;
				const plan: ChildPlan = {
					folder,
					seed: random(2 ** 31),
					durability,
					journalBytes,
					segmentBytes,
					first: run * 1000,
				};
				const killed = await runAndKill([childPath, JSON.stringify(plan)], nextMoment("ready"));
				hear(models, killed.lines);
				expectKilled(killed, context);
				// Else the next process recovers what this one left, and may be killed over it.
				if (random(3) > 0 || run === times) await check(models, context, options);
			}
			const acknowledged = [...models.values()].reduce((sum, model) => sum + model.acknowledged, 0);
			expect(acknowledged).toBeGreaterThan(100_000);
		},
	);

	it("feeding the command line loses nothing that was acknowledged", { timeout: 120_000 }, async () => {
		const name = "fed";
		const models: Models = new Map();
		const times = 14;
		for (let run = 1; run <= times; run++) {
			const context = `seed ${seed}, kill ${run} of ${times}`;
			const model = models.get(name) ?? new StreamModel(name, 0);
			let at = model.acknowledged;
			const killed = await runAndKill(
				[mainPath, "append", join(folder, SCOPE, name), "--acks", "--chunk", `${1 + random(64)}KiB`],
				nextMoment('"to"'),
				({ stdin }) => {
					const more = (): void => {
						let room = true;
						while (room) {
							const bytes = patterned(0, at, 1 + random(200_000));
							at += bytes.length;
							room = stdin.write(bytes);
						}
					};
					stdin.on("drain", more);
					more();
				},
			);
			expect(killed.stderr.replace(/^created .*\n/, ""), context).toBe("");
			expectKilled({ ...killed, stderr: "" }, context);
			Object.assign(model, { createAsked: true, wholeAppends: false });
			for (const line of killed.lines) {
				models.set(name, model);
				model.created = true;
				model.acknowledge((JSON.parse(line) as { to: number }).to);
			}
			model.submitted(at);
			await check(models, context);
		}
		expect(models.get(name)?.acknowledged).toBeGreaterThan(100_000);
	});

	it("was tried at least fifty times", () => {
		expect(kills).toBeGreaterThanOrEqual(50);
	});
});
