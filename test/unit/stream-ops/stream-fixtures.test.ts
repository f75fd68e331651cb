/**
 * Streams as Stream Ops for Java left them: read to what was meant, and made again, byte for byte, by the same steps.
 * Where Java's state is not sound, ours is what the fixture says that a sound one is, and differs from Java's.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StreambedError } from "../../../src/core/errors.ts";
import {
	StreamStorageFS,
	StreamStorageIndexFS,
	type StreamStorageOptions,
	StreamStorageRootFS,
} from "../../../src/stream-ops/index.ts";
import { fixtures, json, unhex } from "./fixtures.ts";
import {
	copyTree,
	indexCases,
	readCases,
	type StateSpec,
	type StepSpec,
	type StreamCase,
	sourceOf,
	streamCases,
	streamRoot,
} from "./stream-fixtures.ts";

const cases = streamCases();
const withFiles = (each: StreamCase): boolean => each.filesIncluded !== false;
const readable = cases.filter((each) => withFiles(each) && each.layout !== "0.5.3");
const small = readable.filter(({ expected }) => expected.records.every((each) => each.hex !== undefined));
const undamaged = small.filter(({ expected }) => expected.problems.every(({ kind }) => /gap/i.test(kind)));
const holed = readable.filter(({ expected }) => expected.problems.length > 0);
const tooOld = cases.filter(({ layout }) => layout === "0.5.3");
/** What Java says of these after reopening them is not what they hold. */
const differing = readable.filter((each) => {
	const java = javaNext(each);
	return java !== undefined && java !== each.expected.nextRecordOffset;
});
const replayable = cases.filter(({ conformance }) => conformance === "exact" || conformance === "javaDefect");

function javaNext({ javaReopen, java070Open }: StreamCase): string | undefined {
	return (javaReopen ?? java070Open)?.nextRecordOffset;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "streambed-stream-ops-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of a case's streams, as a folder of streams. */
function copyOf(each: StreamCase): string {
	const root = streamRoot(each);
	if (root === undefined) mkdirSync(join(folder, each.streamId), { recursive: true });
	else copyTree(root, folder);
	return folder;
}

function filesIn(stream: string): { name: string; length: number; sha256: string }[] {
	return readdirSync(stream)
		.toSorted()
		.map((name) => {
			const bytes = readFileSync(join(stream, name));
			return { name, length: bytes.length, sha256: sha256(bytes) };
		});
}

async function stateOf(storage: StreamStorageFS): Promise<StateSpec> {
	const blocks = await storage.getStorageBlocks();
	const latest = blocks.at(-1);
	return {
		nextRecordOffset: String(storage.nextRecordOffset),
		latestBlock: latest?.fileName as string,
		latestBlockLength: latest?.fileLength as number,
		blockCount: blocks.length,
	};
}

describe("streams that Java wrote", () => {
	it("are all that the manifest lists, of each kind some", () => {
		const { streams } = json<{ streams: readonly { path: string }[] }>("manifest.json");
		const listed = streams.map(({ path }) => path.replace("streams/", ""));
		expect(cases.map(({ path }) => path).toSorted()).toEqual(listed.toSorted());
		for (const some of [readable, replayable, undamaged, holed, differing, tooOld])
			expect(some.length).toBeGreaterThan(0);
	});

	it.each(readable)("are read record by record: $path", async (each) => {
		const { expected } = each;
		const storage = await new StreamStorageRootFS(copyOf(each)).createStreamStorage(each.streamId);
		const records = storage.records();
		const read: unknown[] = [];
		for await (const { offset, bytes, block, byteOffset } of records) {
			const what =
				expected.records[read.length]?.sha256 === undefined ? { hex: hex(bytes) } : { sha256: sha256(bytes) };
			read.push({ offset: String(offset), block, byteOffset, length: bytes.length, ...what });
		}
		const check = await storage.verify();
		const shown = check.problems.map(({ kind, from, to }) =>
			from === undefined ? { kind } : { kind, from: String(from), to: String(to) },
		);
		expect(shown).toEqual(expected.problems.map((problem) => expect.objectContaining(problem)));
		expect(check.ok).toBe(true);
		expect(read).toEqual(expected.records);
		expect(String(storage.nextRecordOffset)).toBe(expected.nextRecordOffset);
		expect(storage.tornTail).toEqual(expected.tornTail);
		expect(records.tornTail).toEqual(expected.tornTail);
		const blocks = await storage.getStorageBlocks();
		if (expected.files.length > 0) {
			expect(
				blocks.map(({ fileName, fileLength, firstOffset }) => [fileName, fileLength, String(firstOffset)]),
			).toEqual(expected.files.map((file) => [file.name, file.length, file.firstOffset]));
		}
	});

	it.each(undamaged)("are read the same whatever is read at once: $path", async (each) => {
		for (const readBytes of [1, 7, 64]) {
			const storage = new StreamStorageFS(each.streamId, join(copyOf(each), each.streamId), undefined, { readBytes });
			const read: string[] = [];
			for await (const batch of storage.records().batches()) {
				for (const { offset, bytes } of batch) read.push(`${offset} ${hex(bytes)}`);
			}
			expect(read).toEqual(each.expected.records.map(({ offset, hex }) => `${offset} ${hex}`));
		}
	});

	it.each(replayable)("are made again by the same steps: $path", async (each) => {
		const { files } = each.soundWriter ?? each.expected;
		const layout = each.layout === "0.6" ? "0.6" : "0.7";
		for (const durability of ["os", "append"] as const) {
			const options = { layout, durability } as const;
			const root = join(folder, durability);
			await replay(each, root, options);
			expect(filesIn(join(root, each.streamId))).toEqual(
				files.map(({ name, length, sha256 }) => ({ name, length, sha256 })),
			);
		}
	});

	it.each(holed)("can be appended to where records are missing: $path", async (each) => {
		const storage = new StreamStorageFS(each.streamId, join(copyOf(each), each.streamId));
		await storage.openForAppend();
		await storage.append(Uint8Array.of(0x01, 0x00));
		await storage.closeForAppend();
		expect(String(storage.nextRecordOffset)).toBe(String(Number(each.expected.nextRecordOffset) + 1));
	});

	it("are not read where version 0.5.3 left offset fields that are malformed", async () => {
		for (const each of tooOld) {
			const storage = new StreamStorageFS(each.streamId, join(copyOf(each), each.streamId));
			await expect(storage.open()).rejects.toMatchObject({ code: "STREAMBED_UNSUPPORTED" });
		}
	});

	it.each(differing)("have sound offsets where Java's are wrong after reopening: $path", async (each) => {
		const storage = new StreamStorageFS(each.streamId, join(copyOf(each), each.streamId));
		await storage.open();
		expect(String(storage.nextRecordOffset)).toBe(each.expected.nextRecordOffset);
		expect(String(storage.nextRecordOffset)).not.toBe(javaNext(each));
	});
});

/** Does what the steps say, and compares the state after each of them. */
async function replay(each: StreamCase, root: string, options: StreamStorageOptions): Promise<void> {
	let storage: StreamStorageFS | undefined;
	const path = join(root, each.streamId);
	const max = each.blockMaxSize ?? undefined;
	for (const [index, step] of (each.steps ?? []).entries()) {
		if (step.op === "create" || step.op === "reopen") {
			storage = await new StreamStorageFS(each.streamId, path, max, options).open();
		}
		if (storage === undefined) throw new Error("the first step must be create");
		const before = await stateOf(storage);
		const failure = await perform(storage, step).then(
			() => undefined,
			(error: unknown) => error,
		);
		const what = `step ${index}: ${step.op}`;
		if (step.expect?.error !== undefined) {
			expect(StreambedError.is(failure), `${what}: ${failure}`).toBe(true);
			expect(await stateOf(storage), what).toEqual(before);
		} else {
			expect(failure, what).toBeUndefined();
			expect(await stateOf(storage), what).toMatchObject(step.expect ?? {});
		}
	}
	await storage?.closeForAppend();
}

async function perform(storage: StreamStorageFS, step: StepSpec): Promise<void> {
	switch (step.op) {
		case "create":
		case "reopen":
			return;
		case "openForAppend":
			await storage.openForAppend();
			return;
		case "append":
			await storage.append(sourceOf(step), step.sourceOffset, step.sourceLength);
			return;
		case "flush":
			await storage.flush();
			return;
		case "closeForAppend":
			await storage.closeForAppend();
			return;
		case "incNextRecordOffset":
			await storage.incNextRecordOffset();
			return;
		case "appendOffset":
			await storage.appendOffset();
			return;
		default:
			throw new Error(`no such step: ${step.op}`);
	}
}

describe("calls that Java answered", () => {
	const { stream, read, iterateFrom, containing } = readCases();

	it("are some of each", () => {
		for (const some of [read, iterateFrom, containing, indexCases()]) expect(some.length).toBeGreaterThan(0);
		const answered = read.map(({ java }) => java.error === undefined);
		expect(new Set(answered)).toEqual(new Set([true, false]));
	});

	async function open(): Promise<StreamStorageFS> {
		const root = join(fixtures, stream, "stream");
		const [id] = readdirSync(root) as [string];
		copyTree(root, folder);
		return await new StreamStorageRootFS(folder).createStreamStorage(id);
	}

	it("readBytes gives the same bytes, counts and refusals", async () => {
		const storage = await open();
		for (const { blockIndex, fromByte, destLength, destOffset, length, java } of read) {
			const dest = new Uint8Array(destLength);
			const reading = storage.readFromBlockWithIndex(blockIndex, fromByte, dest, destOffset, length);
			const what = JSON.stringify({ blockIndex, fromByte, destOffset, length });
			if (java.error === undefined) {
				expect(await reading, what).toBe(java.returned);
				const expected = new Uint8Array(destLength);
				expected.set(unhex(java.hex ?? ""), destOffset);
				expect(hex(dest), what).toBe(hex(expected));
			} else {
				await expect(reading, what).rejects.toMatchObject({ code: "STREAMBED_INVALID_OPTION" });
				expect(dest.every((byte) => byte === 0)).toBe(true);
			}
		}
	});

	it("iterating from an offset gives the same records", async () => {
		const storage = await open();
		for (const { fromOffset, offsets } of iterateFrom) {
			const seen: string[] = [];
			await storage.iterateFromOffset(Number(fromOffset), (offset) => {
				seen.push(String(offset));
				return true;
			});
			expect(seen, fromOffset).toEqual(offsets);
		}
	});

	it("looking for the block of an offset gives the same block", async () => {
		const storage = await open();
		for (const { offset, block } of containing) {
			const found = await storage.getStorageBlockContainingOffset(Number(offset));
			expect(found?.fileName ?? null, offset).toBe(block);
		}
	});

	it.each(indexCases())("an index answers as a sound one does: $id", (each) => {
		const index = new StreamStorageIndexFS(each.indexLength, each.offsetInterval);
		const { from, to, step } = each.appends;
		for (let offset = from; offset < to; offset += step) {
			index.append(offset, Math.floor(offset / 7), (offset % 7) * 100);
		}
		expect(index.size).toBe(each.entries.length);
		for (const [offset, expected] of each.expectedLookups)
			expect(index.lookup(Number(offset)), offset).toEqual(expected);
	});

	it("leave nothing behind but the stream", async () => {
		const storage = await open();
		await storage.openForAppend();
		expect(readdirSync(folder)).toContain(".streambed-locks");
		await storage.closeForAppend();
		expect(readdirSync(folder)).toEqual([storage.streamId]);
		expect(existsSync(join(folder, storage.streamId))).toBe(true);
	});
});
