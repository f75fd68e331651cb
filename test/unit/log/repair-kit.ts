/** A store to be damaged and repaired, and what must hold of every repair. */
import { join } from "node:path/posix";
import { expect } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import {
	type RepairResult,
	repairStore,
	type Store,
	type StoreLocker,
	StreambedError,
	verifyStore,
} from "../../../src/index.ts";
import { viewOf } from "../../../src/log/format/checksum.ts";
import { frameBytes, readFrameHeader } from "../../../src/log/format/frame.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { firstWrong, patterned } from "./pattern.ts";
import { openOwner, patchFile, ROOT, unwritable } from "./store-kit.ts";

export const SIZE = 9000;
export const APPENDS = 40;
export const TOTAL: number = SIZE * APPENDS;
export const RING: string = join(ROOT, "journal", "ring-000000.jnl");
export const CHECKPOINT: string = join(ROOT, "journal", "checkpoint");
export const DESCRIPTION: string = join(ROOT, "streams/a/b.stream/stream.json");

/** Streams a/b with a pattern over several segments, and a/c, sealed. */
export async function write(store: Store): Promise<void> {
	const stream = await store.scope("a").create("b", { segmentBytes: 64 * 1024, tags: { room: "7" } });
	for (let number = 0; number < APPENDS; number++) await stream.append(patterned(0, number * SIZE, SIZE));
	const sealed = await store.scope("a").create("c");
	await sealed.append(Buffer.from("other"));
	await sealed.seal();
}

/** Makes the journal forget its rounds, so that nothing can be put back from it. */
export async function forgetRounds(disk: Disk): Promise<void> {
	const { length } = await disk.readFile(RING);
	await patchFile(disk, RING, new Uint8Array(length - 4096), 4096);
}

/** Data frames of a segment: where they stand, and the position of their first byte. */
export async function framesOf(disk: Disk, path: string): Promise<{ at: number; position: number }[]> {
	const bytes = await disk.readFile(path);
	const frames: { at: number; position: number }[] = [];
	for (let at = 64; at < bytes.length; ) {
		const header = readFrameHeader(bytes, viewOf(bytes), at);
		if (header === undefined) throw new Error(`no frame at ${at} of ${path}`);
		if (header.units > 0) frames.push({ at, position: Number(path.slice(-24, -4)) + header.relative });
		at += frameBytes(header);
	}
	return frames;
}

/** A locker whose owners live in this process, so that OWNER counts as it does in earnest. */
export function liveLocker(): StoreLocker {
	return { ...memoryLocker(), process: { pid: process.pid } };
}

/** Repairs a store; a rehearsal before says the same and changes nothing, and a repair after it finds nothing to do. */
export async function repair(disk: Disk): Promise<RepairResult> {
	const problems = await problemsOf(disk);
	const watched = faultyDisk(unwritable(disk));
	const rehearsed = await repairStore(ROOT, { disk: watched, lock: liveLocker(), dryRun: true });
	expect(watched.events.filter(({ path }) => path.endsWith("/LOCK"))).toEqual([]);
	expect(await problemsOf(disk), "after the rehearsal").toEqual(problems);
	const result = await repairStore(ROOT, { disk, lock: liveLocker() });
	expect(result.steps).toEqual(rehearsed.steps);
	expect(result.problems).toEqual(rehearsed.problems);
	// What went with the journal can be told only while its damage is there.
	const remaining = result.problems.filter(({ message }) => !message.endsWith("may be given away again"));
	expect(remaining).toEqual(await problemsOf(disk));
	const again = await repairStore(ROOT, { disk, lock: liveLocker() });
	expect(again.steps, "a second repair").toEqual([]);
	expect(again.problems).toEqual(remaining);
	const left = (await disk.list(ROOT)).map(({ name }) => name);
	expect(left.filter((name) => !/^(LOCK|journal|store\.json|streams|repaired-.*)$/.test(name))).toEqual([]);
	return result;
}

/** Problems as a verification tells them. */
export async function problemsOf(disk: Disk): Promise<unknown[]> {
	try {
		return [...(await verifyStore(ROOT, { disk })).problems];
	} catch (error) {
		return [(error as StreambedError).code];
	}
}

/** What is readable of a/b: stretches of the pattern, the errors between them, and where the next append goes. */
export async function readAround(
	disk: Disk,
): Promise<{ read: [from: number, to: number][]; next: number | string; sealed: string; head: number }> {
	const store = await openOwner({ disk: overlayDisk(disk), locker: memoryLocker() }, { create: false });
	const stream = store.scope("a").stream("b");
	const read: [number, number][] = [];
	const head = (await stream.info()).shards[0]?.head ?? Number.NaN;
	for (let offset = head; ; ) {
		const reader = stream.reader({ from: { offset } });
		try {
			const got = await reader.read();
			if (got.kind !== "data") break;
			expect(firstWrong(0, offset, got.bytes)).toBeUndefined();
			const before = read.at(-1);
			if (before?.[1] === offset) before[1] = offset + got.bytes.length;
			else read.push([offset, offset + got.bytes.length]);
			offset += got.bytes.length;
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_CORRUPT")) throw error;
			const { validAfter } = error.details;
			if (typeof validAfter !== "number") break;
			offset = validAfter;
		} finally {
			await reader.close();
		}
	}
	const next = await stream.append(Buffer.of(1)).then(
		({ from }) => from,
		(error: StreambedError) => error.code,
	);
	const sealed = await store
		.scope("a")
		.stream("c")
		.append(Buffer.of(1))
		.then(
			() => "appended",
			(error: StreambedError) => error.code,
		);
	await store.close();
	return { read, next, sealed, head };
}

/** Originals that repairs have kept. */
export async function keptFiles(disk: Disk): Promise<string[]> {
	const folders = (await disk.list(ROOT)).filter(({ name }) => name.startsWith("repaired-"));
	const found: string[] = [];
	const walk = async (path: string): Promise<void> => {
		for (const { name, kind } of await disk.list(path)) {
			if (kind === "folder") await walk(join(path, name));
			else found.push(join(path, name));
		}
	};
	for (const { name } of folders) await walk(join(ROOT, name));
	return found;
}
