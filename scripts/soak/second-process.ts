/**
 * The second process: opens the store in read mode beside its owner, follows and compares some streams, closes it, and
 * does so again until it is told to stop. What it uses goes to the parent with each answer.
 */
import { fork } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { open, StreambedError } from "../../src/index.ts";
import { follow } from "./follower.ts";
import { Pacer } from "./pacer.ts";
import { SCOPE } from "./soak-stream.ts";

const FOLLOWERS = 3;
const FOLLOW_MS = 1500;

/** What the second process uses, and what it has done. */
export interface SecondUse {
	readonly rss: number;
	readonly heapUsed: number;
	readonly descriptors: number;
	readonly openings: number;
	readonly compared: number;
}

/** The second process, as the first one sees it. */
export interface SecondProcess {
	/** Asks what it uses now. */
	use(): Promise<SecondUse>;
	/** Ends it; fails if it has failed. */
	stop(): Promise<void>;
}

/** Starts it on a folder with its share of a core; `failed` hears of its failure at once. */
export function startSecond(folder: string, share: number, failed: (error: Error) => void): SecondProcess {
	const child = fork(fileURLToPath(import.meta.url), [folder, String(share)], { execArgv: ["--expose-gc"] });
	let asked: ((use: SecondUse) => void)[] = [];
	let last: SecondUse = { rss: 0, heapUsed: 0, descriptors: 0, openings: 0, compared: 0 };
	const gone = new Promise<number | null>((resolve) => child.once("exit", resolve));
	child.on("message", (use) => {
		last = use as SecondUse;
		for (const resolve of asked.splice(0)) resolve(last);
	});
	void gone.then((code) => {
		for (const resolve of asked) resolve(last);
		asked = [];
		if (code !== 0) failed(new Error(`the second process has failed with ${code}`));
	});
	return {
		use: () =>
			new Promise((resolve) => {
				if (!child.connected) return resolve(last);
				asked.push(resolve);
				child.send("use");
			}),
		stop: async () => {
			if (child.connected) child.disconnect();
			await gone;
		},
	};
}

async function main(folder: string, share: number): Promise<void> {
	const pacer = new Pacer(share, Number.MAX_SAFE_INTEGER);
	const counts = { openings: 0, compared: 0 };
	// A terminal interrupts both; the first one tells this one to stop.
	process.on("SIGINT", () => {});
	let stopped = false;
	// Told to stop, or the first process is gone.
	process.on("disconnect", () => {
		stopped = true;
	});
	process.on("message", (message) => {
		if (message !== "use") return;
		globalThis.gc?.();
		const { rss, heapUsed } = process.memoryUsage();
		process.send?.({ rss, heapUsed, descriptors: readdirSync("/proc/self/fd").length, ...counts } satisfies SecondUse);
	});
	const compared = (bytes: number): Promise<void> => {
		counts.compared += bytes;
		return pacer.pace();
	};
	while (!stopped) {
		await pacer.pace();
		await using store = await open(folder, { mode: "read" });
		counts.openings++;
		const streams = await store.scope(SCOPE).list();
		const following = Array.from({ length: FOLLOWERS }, async (_, index) => {
			const picked = streams[Math.floor(Math.random() * streams.length)];
			if (picked === undefined) return;
			await follow(store, picked.stream, FOLLOW_MS, index === 0 ? "abort" : "close", compared);
		});
		await Promise.all(following).catch((error: unknown) => {
			// Listed and gone since.
			if (!StreambedError.is(error, "STREAMBED_NOT_FOUND")) throw error;
		});
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	await main(process.argv[2] ?? "", Number(process.argv[3]));
}
