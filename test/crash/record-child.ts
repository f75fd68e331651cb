/**
 * A process that writes records until somebody kills it: in parts, and in appends over all shards. It says on standard
 * output what it begins (`A number`), and what it was promised (`a number`), each line at once.
 */
import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { open, type RecordStream } from "../../src/index.ts";
import { numbers } from "../unit/log/pattern.ts";
import { largeValue, RECORD_SHARDS } from "./record-values.ts";

/** What the parent passes as the only argument, in JSON. */
export interface RecordChildPlan {
	readonly folder: string;
	readonly seed: number;
	/** Number of the first record that it may write. */
	readonly first: number;
}

const plan = JSON.parse(process.argv[2] ?? "") as RecordChildPlan;
const random = numbers(plan.seed);
let number = plan.first;

function say(...words: (string | number)[]): void {
	writeSync(1, `${words.join(" ")}\n`);
}

/** One record in parts, which is dropped now and then. */
async function writeInParts(stream: RecordStream): Promise<void> {
	const mine = number++;
	const value = largeValue(mine);
	const record = stream.multipart({ key: `k${mine}`, shard: random(RECORD_SHARDS) });
	const piece = 1 + random(400_000);
	for (let at = 0; at < value.length; at += piece) await record.write(value.subarray(at, at + piece));
	if (random(6) === 0) return await record.abort();
	say("A", mine);
	await record.commit();
	say("a", mine);
}

/** A small record in each shard, at one stroke. */
async function appendToAll(stream: RecordStream): Promise<void> {
	const value = Buffer.from("beside");
	await stream.append(
		Array.from({ length: RECORD_SHARDS }, (_, shard) => ({ value, shard })),
		{ atomic: true },
	);
}

say("opening");
const store = await open(plan.folder);
const options = { kind: "records", shards: RECORD_SHARDS, segmentBytes: 65_536 } as const;
const stream = await store.scope("s").ensure("r", options);
flushCompileCache();
say("ready");
await Promise.all(
	[writeInParts, writeInParts, appendToAll].map(async (work) => {
		for (;;) await work(stream);
	}),
);
