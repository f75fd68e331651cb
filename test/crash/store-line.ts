/**
 * A store and the processes that are killed over it, one after the other. What each of them said is kept in models; the
 * store is compared with these in between.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { open, StreambedError, verifyStore } from "../../src/index.ts";
import { numbers, patterned } from "../unit/log/pattern.ts";
import { type Killed, type Moment, runAndKill } from "./killing.ts";
import type { ChildPlan } from "./library-child.ts";
import { SCOPE } from "./scenarios.ts";
import { StreamModel } from "./stream-model.ts";

const childPath = fileURLToPath(new URL("library-child.ts", import.meta.url));
const mainPath = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const AT_LATEST_MS = 20_000;
/** The stream that the command line is fed. */
const FED = "fed";
const KiB = 1024;

/** What happened, added up over the lines of a run. */
export interface Tally {
	/** Processes killed, and how many of them before they had opened the store. */
	kills: number;
	whileOpening: number;
	library: number;
	commandLine: number;
	/** Commands among them of whose every append it was known where it ends. */
	exactCommands: number;
	/** Appends that were acknowledged to processes that were then killed. */
	acknowledged: number;
	/** Times that the whole store was verified and compared. */
	checks: number;
}

/** How a store is opened, by those who are killed and by those who check. */
export type LineOptions = Pick<ChildPlan, "durability" | "journalBytes" | "segmentBytes">;

/** What a word of the child says about its stream; numbers follow the name. */
type Hearer = (model: StreamModel, about: string, first: number, second: number, third: number) => unknown;

const hearers: Readonly<Record<string, Hearer>> = {
	o: (model, about, head, tail, sealed) => model.settle(head, tail, sealed === 1, about),
	A: (model, _, to) => model.submitted(to),
	a: (model, _, to) => model.acknowledge(to),
	C: (model) => Object.assign(model, { createAsked: true }),
	c: (model) => Object.assign(model, { created: true }),
	D: (model) => Object.assign(model, { deleteAsked: true }),
	d: (model) => Object.assign(model, { deleted: true }),
	T: (model, _, at) => model.truncateAsked(at),
	t: (model, _, at) => model.truncated(at),
	L: (model) => Object.assign(model, { sealAsked: true }),
	l: (model) => Object.assign(model, { sealed: true }),
};

/** One store with its killed processes. */
export class StoreLine {
	readonly #folder: string;
	readonly #options: LineOptions;
	readonly #seed: number;
	readonly #tally: Tally;
	readonly #random: (below: number) => number;
	readonly #models = new Map<string, StreamModel>();
	#run = 0;

	constructor(folder: string, options: LineOptions, seed: number, tally: Tally) {
		this.#folder = folder;
		this.#options = options;
		this.#seed = seed;
		this.#random = numbers(seed);
		this.#tally = tally;
	}

	/** Bytes that were acknowledged in streams that are still known. */
	get acknowledgedBytes(): number {
		return [...this.#models.values()].reduce((sum, model) => sum + model.acknowledged, 0);
	}

	get #context(): string {
		return `line of seed ${this.#seed}, kill ${this.#run}`;
	}

	/** Kills a process that uses the library: most often at work, every fourth time while it opens the store. */
	async killLibrary(): Promise<void> {
		const random = this.#random;
		this.#run++;
		const plan = { folder: this.#folder, ...this.#options, seed: random(2 ** 31), first: this.#run * 1000 };
		const opening = random(4) === 0;
		const moment: Moment = {
			after: opening ? "opening" : "ready",
			ms: random(opening ? 60 : 150),
			atLatestMs: AT_LATEST_MS,
		};
		const killed = await runAndKill([childPath, JSON.stringify(plan satisfies ChildPlan)], moment);
		this.#hear(killed.lines);
		this.#expectKilled(killed, killed.lines.includes("ready"));
		this.#tally.library++;
		this.#tally.acknowledged += killed.lines.filter((line) => line.startsWith("a ")).length;
	}

	/**
	 * Kills a command that appends what it is fed: as often as the library at work, else somewhere at the start. Every
	 * second time with a producer, whose chunks are exact: then it is known where each append ends, the last ones too.
	 */
	async killCommandLine(): Promise<void> {
		const random = this.#random;
		this.#run++;
		const model = this.#models.get(FED) ?? new StreamModel(FED, 0);
		this.#models.set(FED, model);
		const from = model.acknowledged;
		let at = from;
		const chunkKiB = 1 + random(64);
		const exact = random(2) === 0;
		const early = random(4) === 0;
		const moment: Moment = {
			after: early ? undefined : '"to"',
			ms: early ? 60 + random(150) : random(150),
			atLatestMs: AT_LATEST_MS,
		};
		const args = [mainPath, "append", join(this.#folder, SCOPE, FED), "--acks", "--chunk", `${chunkKiB}KiB`];
		if (exact) args.push("--producer", `run-${this.#run}:0:0`);
		const killed = await runAndKill(args, moment, ({ stdin }) => {
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
		});
		// Without a producer the end of a chunk is the command's affair; it says so for those that are stored.
		const equal = exact ? { from, bytes: chunkKiB * KiB } : undefined;
		Object.assign(model, { createAsked: true, wholeAppends: exact, equal });
		for (const line of killed.lines) {
			model.created = true;
			model.acknowledge((JSON.parse(line) as { to: number }).to);
		}
		model.submitted(from);
		const step = exact ? chunkKiB * KiB : at - from;
		for (let end = from + step; end <= at && step > 0; end += step) model.submitted(end);
		if (exact) this.#tally.exactCommands++;
		this.#expectKilled({ ...killed, stderr: killed.stderr.replace(/^created .*\n/, "") }, killed.lines.length > 0);
		this.#tally.commandLine++;
		this.#tally.acknowledged += killed.lines.length;
	}

	/** Opens the store at once after a kill, which the lock must not hinder, and checks all that is known. */
	async check(): Promise<void> {
		const context = this.#context;
		if (existsSync(join(this.#folder, "store.json"))) {
			const { problems } = await verifyStore(this.#folder);
			expect(problems, `${context}: verified before the opening`).toEqual([]);
		}
		const { durability, journalBytes } = this.#options;
		const options = { durability, limits: { journalBytes }, create: false };
		const store = await open(this.#folder, options).catch((error: unknown) => {
			// Killed before there was a store.
			const created = [...this.#models.values()].some((model) => model.created);
			if (StreambedError.is(error, "STREAMBED_NOT_FOUND") && !created) return undefined;
			throw new Error(`${context}: opening failed`, { cause: error });
		});
		if (store === undefined) return;
		try {
			for (const model of this.#models.values()) await model.check(store, SCOPE, context);
		} finally {
			await store.close();
		}
		const { problems } = await verifyStore(this.#folder);
		expect(problems, `${context}: verified after the opening`).toEqual([]);
		this.#tally.checks++;
	}

	/** Takes note of what a child said. */
	#hear(lines: readonly string[]): void {
		for (const line of lines) {
			const [what = "", name = "", ...rest] = line.split(" ");
			if (name === "") continue;
			if (what === "C") this.#models.set(name, new StreamModel(name, Number(name.split("-")[1])));
			const hearer = hearers[what];
			const model = this.#models.get(name);
			if (hearer === undefined || model === undefined) throw new Error(`${this.#context}: nobody understands ${line}`);
			const [first = 0, second = 0, third = 0] = rest.map(Number);
			hearer(model, `${this.#context}: ${name} when opened by the next`, first, second, third);
		}
	}

	#expectKilled({ byUs, stderr }: Killed, open: boolean): void {
		expect(stderr, this.#context).toBe("");
		expect(byUs, `${this.#context}: it ended before it was killed`).toBe(true);
		this.#tally.kills++;
		if (!open) this.#tally.whileOpening++;
	}
}
