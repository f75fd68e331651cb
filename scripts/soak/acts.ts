/** What is done with a stream, each kind by its name. */
import { type ByteStream, type Store, StreambedError } from "../../src/index.ts";
import { checkBytes, must, SCOPE, type SoakStream } from "./soak-stream.ts";

const KiB = 1024;

/** Where it is done. */
export interface Ground {
	readonly store: Store;
	/** An integer below a bound. */
	random(below: number): number;
	/** Takes note of bytes that were written or compared. */
	wrote(bytes: number): void;
	compared(bytes: number): void;
}

/** One kind: how often among all, and what it does with a stream that nobody else writes to. */
export interface Act {
	readonly share: number;
	/** Also with a sealed stream. */
	readonly sealed?: boolean;
	/** Not with streams whose head moves by itself. */
	readonly still?: boolean;
	run(ground: Ground, target: SoakStream): Promise<void>;
}

/** All of them. */
export const acts: Readonly<Record<string, Act>> = {
	small: { share: 40, run: (ground, target) => appendMany(ground, target, 20, 200) },
	middle: { share: 16, run: (ground, target) => append(ground, target, 64 * KiB) },
	large: { share: 3, run: (ground, target) => append(ground, target, 1024 * KiB) },
	writer: { share: 8, run: write },
	producer: { share: 5, run: produce },
	expect: { share: 6, run: expectTail },
	"read-back": { share: 12, sealed: true, run: readBack },
	seek: { share: 12, sealed: true, run: seekAndRead },
	truncate: { share: 4, sealed: true, still: true, run: (ground, target) => truncate(ground, target, 0) },
	seal: { share: 1, run: seal },
};

/** Cuts all but the last bytes off. */
export async function truncate(ground: Ground, target: SoakStream, keep: number): Promise<void> {
	const room = Math.max(0, target.tail - target.head - keep);
	const at = target.head + (keep > 0 ? room : ground.random(room + 1));
	const head = await target.of(ground.store).truncateBefore(at);
	must(head === at, `${target.name} was truncated before ${at} and begins at ${head}`);
	target.head = at;
}

/** Deletes it, and sees to it that it is gone. */
export async function remove({ store }: Ground, target: SoakStream): Promise<void> {
	await store.scope(SCOPE).delete(target.name);
	await refused(target.of(store).info(), "STREAMBED_NOT_FOUND");
}

async function append(ground: Ground, target: SoakStream, bytes: number): Promise<void> {
	const from = target.tail;
	const placed = await target.of(ground.store).append(target.next(bytes));
	placedAt(target, placed, from, bytes);
	ground.wrote(bytes);
}

async function appendMany(ground: Ground, target: SoakStream, count: number, most: number): Promise<void> {
	const stream = await target.of(ground.store).open();
	const pending: Promise<void>[] = [];
	for (let index = 0; index < count; index++) {
		const bytes = 1 + ground.random(most);
		const from = target.tail;
		const placing = stream.append(target.next(bytes));
		target.tail += bytes;
		pending.push(placing.then((placed) => must(placed.from === from, `${target.name}: ${placed.from}, not ${from}`)));
		ground.wrote(bytes);
	}
	await Promise.all(pending);
}

function placedAt(target: SoakStream, placed: { from: number; to: number }, from: number, bytes: number): void {
	must(placed.from === from && placed.to === from + bytes, `${target.name}: ${placed.from} instead of ${from}`);
	target.tail = placed.to;
}

async function write(ground: Ground, target: SoakStream): Promise<void> {
	await using writer = target.of(ground.store).writer();
	for (let index = 0; index < 30; index++) {
		for (const piece of target.next(1 + ground.random(4000))) {
			void writer.write(piece);
			target.tail += piece.length;
			ground.wrote(piece.length);
		}
	}
	await writer.flush();
	must(writer.offset === target.tail, `${target.name}: a writer is at ${writer.offset}, not at ${target.tail}`);
}

async function produce(ground: Ground, target: SoakStream): Promise<void> {
	const stream = target.of(ground.store);
	const producer = await stream.producer(`p-${ground.random(3)}`);
	for (let index = 0; index < 5; index++) {
		const triple = producer.next();
		const from = target.tail;
		const bytes = target.next(1 + ground.random(8 * KiB));
		const length = bytes.reduce((sum, piece) => sum + piece.length, 0);
		placedAt(target, await stream.append(bytes, { producer: triple }), from, length);
		ground.wrote(length);
		const again = await stream.append(bytes, { producer: triple });
		must(again.duplicate && again.from === from, `${target.name}: a retry was stored at ${again.from}`);
	}
}

async function expectTail(ground: Ground, target: SoakStream): Promise<void> {
	const stream = target.of(ground.store);
	await refused(stream.append(target.next(10), { expect: target.tail + 1 }), "STREAMBED_POSITION_MISMATCH");
	const from = target.tail;
	placedAt(target, await stream.append(target.next(1000), { expect: from }), from, 1000);
	ground.wrote(1000);
}

/** Reads all of it; what retention overtakes is read from the new head on. */
async function readBack(ground: Ground, target: SoakStream): Promise<void> {
	const to = target.tail;
	await using reader = target.of(ground.store).reader({ from: "head", to: { offset: to } });
	for (;;) {
		const got = await reader.read().catch(toHead(reader, target));
		if (got === undefined) continue;
		if (got.kind !== "data") break;
		checkBytes(target.number, got.offset, got.bytes);
		ground.compared(got.bytes.length);
	}
	must(reader.offset === to, `${target.name}: reading ended at ${reader.offset}, not at ${to}`);
}

async function seekAndRead(ground: Ground, target: SoakStream): Promise<void> {
	const offset = target.head + ground.random(target.tail - target.head + 1);
	const stream: ByteStream = target.of(ground.store);
	await using reader = stream.reader({ from: "head" });
	const got = await reader
		.seek({ offset })
		.then(() => reader.read(64 * KiB))
		.catch(toHead(reader, target));
	if (got?.kind !== "data") return;
	checkBytes(target.number, got.offset, got.bytes);
	ground.compared(got.bytes.length);
}

async function seal({ store }: Ground, target: SoakStream): Promise<void> {
	const stream = target.of(store);
	const tail = await stream.seal();
	must(tail === target.tail, `${target.name} was sealed at ${tail}, not at ${target.tail}`);
	target.sealed = true;
	await refused(stream.append(target.next(1)), "STREAMBED_SEALED");
}

/** Takes a reader to the head that retention has moved past it; any other error goes on. */
function toHead(reader: { seek(location: "head"): Promise<number> }, target: SoakStream) {
	return async (error: unknown): Promise<undefined> => {
		if (!target.expires || !StreambedError.is(error, "STREAMBED_TRUNCATED")) throw error;
		await reader.seek("head");
	};
}

async function refused(work: Promise<unknown>, code: Parameters<typeof StreambedError.is>[1]): Promise<void> {
	const error = await work.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	if (!StreambedError.is(error, code)) throw new Error(`not refused with ${code}`, { cause: error });
}
