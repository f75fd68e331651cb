/** From an append to its being seen by a follower: in this process, and in another one that reads beside the owner. */
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { open } from "../../src/index.ts";
import type { Case, Figures, Side } from "../harness.ts";
import type { Scenario } from "../scenario.ts";
import { Latencies } from "../statistics.ts";
import { stamp } from "../time-stamp.ts";
import { type Child, startChild } from "../workspace.ts";

const followProgram: URL = new URL("../children/follow.ts", import.meta.url);
const echoProgram: URL = new URL("../children/echo.ts", import.meta.url);
const streamName = "follow";
/** Pauses up to so long lie between the appends to another process, so that they fall anywhere in its waiting. */
const pauseMs = 40;
const bound = "what is promised";
/** Each append is seen by a follower within this: docs/guarantees.md. In microseconds, as latencies are. */
const promised: Figures = { most: 200_000 };

export const followLatency: Scenario = {
	name: "follow-latency",
	summary: "append to seen by a follower, in the same process and in a second one",
	cases: ({ durability }) => [sameProcess(durability), otherProcess(durability)],
};

function sameProcess(durability: "sync" | "os"): Case {
	const ours = "streambed, append to seen";
	const reference = "fs: write + fdatasync";
	const side: Side = {
		name: ours,
		open: async (folder) => {
			const store = await open(`file:${folder}/store`, { durability });
			const stream = await store.scope("bench").create(streamName);
			const reader = await stream.reader({ from: "tail", follow: true }).open();
			return {
				run: async (seconds) =>
					await repeat(seconds, 0, async () => {
						const [result] = await Promise.all([reader.read(), stream.append(stamp())]);
						if (result.kind !== "data") throw new Error("the follower saw no append");
					}),
				close: () => store.close(),
			};
		},
	};
	return latencyCase("same-process", ours, reference, [side, plainSide(reference, durability)]);
}

function otherProcess(durability: "sync" | "os"): Case {
	const ours = "streambed, append to seen";
	const reference = "fs: write + fdatasync, then a line through a pipe and back";
	const side: Side = {
		name: ours,
		open: async (folder) => {
			const store = await open(`file:${folder}/store`, { durability });
			const stream = await store.scope("bench").create(streamName);
			const child = startChild(followProgram, [`${folder}/store`, streamName]);
			await child.line();
			return {
				run: async (seconds) => {
					const latencies = new Latencies();
					for (const until = performance.now() + seconds * 1000; performance.now() < until; ) {
						await stream.append(stamp());
						latencies.add(Number(await child.line()));
						await sleep(Math.random() * pauseMs);
					}
					return latencies.figures();
				},
				close: async () => {
					await child.end();
					await store.close();
				},
			};
		},
	};
	return latencyCase("second-process", ours, reference, [side, plainSide(reference, durability, true)]);
}

function latencyCase(name: string, ours: string, reference: string, sides: readonly Side[]): Case {
	return {
		name: `follow-latency/${name}`,
		sides: [...sides, { name: bound, open: async () => ({ run: async () => promised }) }],
		pairs: [
			{ ours, reference, metric: "p50", unit: "µs p50" },
			{ ours, reference, metric: "p99", unit: "µs p99" },
			{ ours, reference: bound, metric: "most", unit: "µs at most", bar: { atMost: 1 } },
		],
		settings: { bytes: 16 },
	};
}

function plainSide(name: string, durability: "sync" | "os", tell = false): Side {
	return {
		name,
		open: async (folder) => {
			const child: Child | undefined = tell ? startChild(echoProgram, []) : undefined;
			const fd = fs.openSync(join(folder, "plain"), "wx");
			let at = 0;
			return {
				run: async (seconds) =>
					await repeat(seconds, tell ? pauseMs : 0, async () => {
						at += await writeSynced(fd, stamp(), at, durability === "sync");
						if (child !== undefined) await child.ask("seen");
					}),
				close: async () => {
					fs.closeSync(fd);
					await child?.end();
				},
			};
		},
	};
}

function writeSynced(fd: number, data: Uint8Array, position: number, sync: boolean): Promise<number> {
	return new Promise((resolve, reject) => {
		fs.write(fd, data, 0, data.length, position, (error, written) => {
			if (error || !sync) return error ? reject(error) : resolve(written);
			fs.fdatasync(fd, (failed) => (failed ? reject(failed) : resolve(written)));
		});
	});
}

async function repeat(seconds: number, pause: number, work: () => Promise<void>): Promise<Figures> {
	const latencies = new Latencies();
	for (const until = performance.now() + seconds * 1000; performance.now() < until; ) {
		const start = performance.now();
		await work();
		latencies.add(performance.now() - start);
		if (pause > 0) await sleep(Math.random() * pause);
	}
	return latencies.figures();
}
