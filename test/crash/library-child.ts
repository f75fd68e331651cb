/**
 * A process that works on a store until somebody kills it, and says on standard output what it asks for (capitals)
 * before it does and what it was promised (small letters) after that. Lines are written at once: what was said before
 * the death is known.
 *
 *   opening                   before it opens the store
 *   o name head tail sealed   found when it opened the store       ready
 *   A name to / a name to     append    C name / c name   create   D name / d name   delete
 *   T name at / t name at     truncate  L name / l name   seal
 *
 * A further kind of work is a row in `works` here and, if it says new words, a row in `hearers` of store-line.ts.
 */
import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { type ByteStream, open, type Store } from "../../src/index.ts";
import { numbers, patterned } from "../unit/log/pattern.ts";
import { SCOPE } from "./scenarios.ts";

/** What the parent passes as the only argument, in JSON. */
export interface ChildPlan {
	readonly folder: string;
	readonly seed: number;
	readonly durability: "sync" | "os";
	readonly journalBytes: number;
	readonly segmentBytes: number;
	/** Number of the first stream that it may create. */
	readonly first: number;
}

interface Target {
	readonly name: string;
	readonly number: number;
	readonly stream: ByteStream;
	next: number;
	sealed: boolean;
}

/** One kind of work: how often of a thousand times, from how many streams and up to how many, and what it does. */
interface Work {
	readonly share: number;
	readonly from?: number;
	readonly below?: number;
	readonly run: (store: Store, target: Target) => Promise<unknown>;
}

const works: readonly Work[] = [
	{ share: 12, below: 12, run: create },
	{ share: 8, from: 4, run: remove },
	{ share: 4, from: 4, run: seal },
	{ share: 26, run: truncate },
	{ share: 950, run: appends },
];

const WORKERS = 6;
const plan = JSON.parse(process.argv[2] ?? "") as ChildPlan;
const random = numbers(plan.seed);
const targets: Target[] = [];
let number = plan.first;

function say(...words: (string | number)[]): void {
	writeSync(1, `${words.join(" ")}\n`);
}

async function findStreams(store: Store): Promise<void> {
	for (const { stream: name } of await store.scope(SCOPE).list()) {
		const stream = store.scope(SCOPE).stream(name);
		const { sealed, shards } = await stream.info();
		const { head, tail } = shards[0] ?? { head: 0, tail: 0 };
		say("o", name, head, tail, sealed ? 1 : 0);
		targets.push({ name, number: Number(name.split("-")[1]), stream, next: tail, sealed });
	}
}

async function create(store: Store): Promise<void> {
	const mine = number++;
	const name = `group${mine % 3}/s-${mine}`;
	say("C", name);
	const stream = await store.scope(SCOPE).create(name, { segmentBytes: plan.segmentBytes });
	say("c", name);
	targets.push({ name, number: mine, stream, next: 0, sealed: false });
}

async function appends(_store: Store, target: Target): Promise<void> {
	const count = 1 + random(5);
	await Promise.all(Array.from({ length: count }, () => append(target, sizeOf(random(100)))));
}

async function append(target: Target, bytes: number): Promise<void> {
	await target.stream.open();
	if (target.sealed) return;
	const from = target.next;
	target.next += bytes;
	say("A", target.name, from + bytes);
	const { to } = await target.stream.append(patterned(target.number, from, bytes));
	if (to !== from + bytes) throw new Error(`${target.name}: landed at ${to}, not at ${from + bytes}`);
	say("a", target.name, to);
}

function sizeOf(kind: number): number {
	if (kind < 60) return 1 + random(200);
	return kind < 90 ? 1 + random(8000) : 1 + random(102_400);
}

async function truncate(_store: Store, target: Target): Promise<void> {
	const { tail } = (await target.stream.info()).shards[0] ?? { tail: 0 };
	const at = random(tail + 1);
	say("T", target.name, at);
	await target.stream.truncateBefore(at);
	say("t", target.name, at);
}

async function seal(_store: Store, target: Target): Promise<void> {
	target.sealed = true;
	say("L", target.name);
	await target.stream.seal();
	say("l", target.name);
}

async function remove(store: Store, target: Target): Promise<void> {
	targets.splice(targets.indexOf(target), 1);
	say("D", target.name);
	await store.scope(SCOPE).delete(target.name);
	say("d", target.name);
}

/** The kind of work that a number below a thousand stands for. */
function workOf(drawn: number): Work {
	let left = drawn;
	const found = works.find(({ share }) => {
		left -= share;
		return left < 0;
	});
	if (found === undefined) throw new Error("the shares add up to less than a thousand");
	return found;
}

/** Workers may take the same stream: a stream deleted under an append is a refusal like any other. */
async function work(store: Store): Promise<void> {
	for (;;) {
		const target = targets[random(targets.length)];
		if (target === undefined) {
			await create(store);
			continue;
		}
		const { run, from = 0, below = Number.POSITIVE_INFINITY } = workOf(random(1000));
		if (targets.length >= from && targets.length < below) await run(store, target);
	}
}

/** Streams go under those who use them; nothing else is allowed to fail. */
async function workOn(store: Store): Promise<never> {
	for (;;) {
		await work(store).catch((error: { code?: string }) => {
			if (error.code !== "STREAMBED_NOT_FOUND" && error.code !== "STREAMBED_SEALED") throw error;
		});
	}
}

say("opening");
const { durability, journalBytes } = plan;
const store = await open(plan.folder, { durability, limits: { journalBytes } });
await findStreams(store);
// It never ends by itself, which is when Node would keep what it compiled for the next one.
flushCompileCache();
say("ready");
await Promise.all(Array.from({ length: WORKERS }, () => workOn(store)));
