/**
 * Lets mixed load work on one store for long, and looks whether anything grows that must not.
 *
 *     npm run soak -- --minutes 60 [--rate 0.33] [--megabytes 4] [--sample 10] [--reopen 180] [--seed 1] [--json]
 *
 * Streams are made, written, followed, read back, sealed, truncated and deleted, retention takes from them, the store is
 * opened anew at intervals, and a second process reads beside the owner; every byte read is compared. `--rate` is the
 * share of one core that both processes may use together, `--megabytes` bounds what is written each second. At the end the curves
 * are printed, and the verdict: exit 1 if a measure is beyond its bound, or, at once, if data is not what it must
 * be. `--fault NAME` makes a fault on purpose.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { FAULT_EVERY_MS, faults } from "./soak/faults.ts";
import { Load } from "./soak/load.ts";
import { type Sample, takeSample } from "./soak/measures.ts";
import { Pacer } from "./soak/pacer.ts";
import { plot } from "./soak/plot.ts";
import { startSecond } from "./soak/second-process.ts";
import { trendsOf } from "./soak/verdict.ts";

const MiB = 1024 * 1024;
/** Part of the processor's share that the second process gets. */
const SECOND_PART = 0.2;
const PROGRESS_SECONDS = 60;
/** When a fault of the load itself strikes. */
const MISTAKE_AFTER_MS = 3000;

interface Settings {
	readonly minutes: number;
	readonly rate: number;
	readonly megabytes: number;
	readonly sample: number;
	readonly reopen: number;
	readonly seed: number;
	readonly fault: string | undefined;
	readonly json: boolean;
}

function settingsOf(args: readonly string[]): Settings {
	const { values } = parseArgs({
		args: [...args],
		options: {
			minutes: { type: "string", default: "60" },
			rate: { type: "string", default: "0.33" },
			megabytes: { type: "string", default: "4" },
			sample: { type: "string", default: "10" },
			reopen: { type: "string", default: "180" },
			seed: { type: "string", default: "1" },
			fault: { type: "string" },
			json: { type: "boolean", default: false },
		},
	});
	const { fault, json } = values;
	if (fault !== undefined && !(fault in faults)) {
		throw new Error(`there is no fault ${fault}; there are ${Object.keys(faults).join(", ")}`);
	}
	const numbers = ["minutes", "rate", "megabytes", "sample", "reopen", "seed"] as const;
	const given = Object.fromEntries(
		numbers.map((name) => {
			const value = Number(values[name]);
			if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not "${values[name]}"`);
			return [name, value];
		}),
	) as Record<(typeof numbers)[number], number>;
	return { ...given, fault, json };
}

/** Runs it; what goes wrong with the data is thrown. */
async function soak(settings: Settings, folder: string, ended: AbortController): Promise<[readonly Sample[], Load]> {
	const { rate } = settings;
	const load = new Load(folder, new Pacer(rate * (1 - SECOND_PART), settings.megabytes * MiB), settings.seed);
	let failure: unknown;
	const fail = (error: unknown): void => {
		failure ??= error;
		ended.abort();
	};
	await load.begin();
	const second = startSecond(folder, rate * SECOND_PART, fail);
	const running = load.run().catch(fail);
	const samples: Sample[] = [];
	const begunMs = performance.now();
	const seconds = (): number => (performance.now() - begunMs) / 1000;
	const faulty = makeFault(settings.fault, load);
	const every = async (interval: number, work: () => Promise<void>): Promise<void> => {
		while (await sleep(interval * 1000, true, { signal: ended.signal }).catch(() => false)) await work();
	};
	const sampling = every(settings.sample, async () => {
		const use = await second.use();
		samples.push(takeSample(seconds(), folder, use));
		Object.assign(load.counts, { "second compared": use.compared, "second openings": use.openings });
		if (!settings.json) progress(samples, settings, load);
		if (seconds() >= settings.minutes * 60) ended.abort();
	});
	const reopening = every(settings.reopen, () => load.reopen());
	await Promise.all([sampling, reopening]).catch(fail);
	clearInterval(faulty);
	if (failure === undefined) await load.stop();
	await second.stop();
	if (failure !== undefined) throw failure;
	await running;
	if (failure !== undefined) throw failure;
	return [samples, load];
}

function makeFault(name: string | undefined, load: Load): NodeJS.Timeout | undefined {
	if (name === undefined) return undefined;
	const fault = faults[name];
	return fault === undefined ? setTimeout(() => load.mistake(), MISTAKE_AFTER_MS) : setInterval(fault, FAULT_EVERY_MS);
}

/** A line a minute. */
function progress(samples: readonly Sample[], { sample }: Settings, { counts }: Load): void {
	if (samples.length % Math.max(1, Math.round(PROGRESS_SECONDS / sample)) !== 0) return;
	const { second = 0, values = {} } = samples.at(-1) ?? {};
	const shown = Object.entries(values).map(([name, value]) => `${name} ${value.toFixed(1)}`);
	const mib = (bytes = 0): string => `${Math.round(bytes / MiB)} MiB`;
	console.log(
		`${Math.round(second)} s: ${shown.join(", ")}; written ${mib(counts.written)}, compared ${mib(counts.compared)}, reopened ${counts.reopen}`,
	);
}

async function main(settings: Settings): Promise<boolean> {
	const folder = await mkdtemp(join(tmpdir(), "streambed-soak-"));
	const ended = new AbortController();
	for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort());
	const [samples, { counts }] = await soak(settings, join(folder, "data"), ended).catch((error: unknown) => {
		throw new Error(`seed ${settings.seed}: data is not what it must be; the store is in ${folder}`, { cause: error });
	});
	await rm(folder, { recursive: true, force: true });
	const trends = trendsOf(samples);
	const ok = trends.length > 0 && trends.every((trend) => trend.ok);
	if (settings.json) console.log(JSON.stringify({ ok, seconds: samples.at(-1)?.second ?? 0, counts, trends }));
	else {
		console.log(plot(samples, trends));
		console.log(
			Object.entries(counts)
				.map(([name, count]) => `${name} ${count}`)
				.join(", "),
		);
		console.log(ok ? "nothing is beyond its bound" : "something is beyond its bound");
	}
	return ok;
}

try {
	process.exitCode = (await main(settingsOf(process.argv.slice(2)))) ? 0 : 1;
} catch (error) {
	console.error(error);
	process.exitCode = 1;
}
// A leaked timer must not keep it.
process.exit();
