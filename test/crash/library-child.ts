/**
 * A process that works on a store until somebody kills it, and says on standard output what it asks for (capitals)
 * before it does and what it was promised (small letters) after that. Lines are written at once: what was said before
 * the death is known.
 *
 *   o name head tail sealed   found when it opened the store       ready
 *   A name to / a name to     append    C name / c name   create   D name / d name   delete
 *   T name at / t name at     truncate  L name / l name   seal
 */
import { writeSync } from "node:fs";
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

async function truncate(target: Target): Promise<void> {
	const { tail } = (await target.stream.info()).shards[0] ?? { tail: 0 };
	const at = random(tail + 1);
	say("T", target.name, at);
	await target.stream.truncateBefore(at);
	say("t", target.name, at);
}

async function seal(target: Target): Promise<void> {
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

function sizeOf(kind: number): number {
	if (kind < 60) return 1 + random(200);
	return kind < 90 ? 1 + random(8000) : 1 + random(102_400);
}

/** Workers may take the same stream: a stream deleted under an append is a refusal like any other. */
async function work(store: Store): Promise<void> {
	for (;;) {
		const target = targets[random(targets.length)];
		const kind = random(1000);
		if (target === undefined || (kind < 12 && targets.length < 12)) await create(store);
		else if (kind < 20 && targets.length > 3) await remove(store, target);
		else if (kind < 24 && targets.length > 3) await seal(target);
		else if (kind < 50) await truncate(target);
		else {
			const count = 1 + random(5);
			await Promise.all(Array.from({ length: count }, () => append(target, sizeOf(random(100)))));
		}
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

const { durability, journalBytes } = plan;
const store = await open(plan.folder, { durability, limits: { journalBytes } });
await findStreams(store);
say("ready");
await Promise.all(Array.from({ length: WORKERS }, () => workOn(store)));
