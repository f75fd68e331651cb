/** What people do to the folders of streams with rm, mv and cp. */
import { cp, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ByteStream, open, type Store, StreambedError } from "../../../src/index.ts";

let folder: string;
let store: Store;

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "streambed-folders-"));
	store = await open(`file:${join(folder, "data")}`);
});

afterEach(async () => {
	await store.close();
	await rm(folder, { recursive: true, force: true });
});

function placeOf(name: string): string {
	return join(folder, "data", "streams", "cam", `${name}.stream`);
}

async function made(name: string, text: string): Promise<ByteStream> {
	const stream = await store.scope("cam").create(name, { kind: "bytes" });
	await stream.append(Buffer.from(text));
	return stream;
}

async function contents(stream: ByteStream): Promise<string> {
	return Buffer.concat(await Array.fromAsync(stream.reader())).toString();
}

/** What `rm -r` does, which may meet a segment that appears at the same moment, as a person would do it again. */
async function removed(path: string): Promise<void> {
	await rm(path, { recursive: true, maxRetries: 20, retryDelay: 10 });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
	const error = await work.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	return StreambedError.is(error) ? error.code : "none";
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
	for (
		const deadline = Date.now() + 10_000;
		!(await holds());
		await new Promise((resolve) => setTimeout(resolve, 20))
	) {
		if (Date.now() > deadline) throw new Error("it did not come true within 10 s");
	}
}

async function reopen(): Promise<void> {
	await store.close();
	store = await open(`file:${join(folder, "data")}`);
}

describe("folders of streams changed by hand", () => {
	it("a stream's folder removed by hand is a deleted stream, and the store goes on", async () => {
		const gone = await made("gone", "abc");
		const stays = await made("stays", "def");
		const follower = gone.reader({ from: "tail", follow: true });
		const waiting = codeOf(follower.read());
		await removed(placeOf("gone"));
		expect(await waiting).toBe("STREAMBED_NOT_FOUND");
		await eventually(async () => (await codeOf(gone.append(Buffer.from("x")))) === "STREAMBED_NOT_FOUND");
		await stays.append(Buffer.from("ghi"));
		expect(await contents(stays)).toBe("defghi");
		expect((await store.list()).map(({ stream }) => stream)).toEqual(["stays"]);
		await reopen();
		expect((await store.list()).map(({ stream }) => stream)).toEqual(["stays"]);
	});

	it("a stream made under the name of a removed one is new, also before the removal was noticed", async () => {
		await made("raw", "old");
		await removed(placeOf("raw"));
		const again = await made("raw", "new");
		expect(await contents(again)).toBe("new");
		await reopen();
		expect(await contents(store.scope("cam").stream("raw"))).toBe("new");
	});

	it("a stream made under the name of a removed one gets nothing that was still to be written of it", async () => {
		for (let turn = 0; turn < 20; turn++) {
			// Written behind some milliseconds later: before, while, or after the new one is made.
			await made("raw", "old");
			await new Promise((resolve) => setTimeout(resolve, turn % 8));
			await removed(placeOf("raw"));
			expect(await contents(await made("raw", "new"))).toBe("new");
			await reopen();
			expect(await contents(store.scope("cam").stream("raw"))).toBe("new");
			await store.scope("cam").delete("raw");
		}
	});

	it("a stream removed while its store was not open, after a crash, stays removed", async () => {
		await made("raw", "abc");
		await made("other", "def");
		const crashed = join(folder, "crashed");
		await cp(join(folder, "data"), crashed, { recursive: true, filter: (path) => !path.endsWith("LOCK") });
		await rm(join(crashed, "OWNER"));
		await rm(join(crashed, "streams", "cam", "raw.stream"), { recursive: true });
		await using recovered = await open(`file:${crashed}`);
		expect(recovered.stats().recovery.clean).toBe(false);
		expect((await recovered.list()).map(({ stream }) => stream)).toEqual(["other"]);
		expect(await contents(recovered.scope("cam").stream("other"))).toBe("def");
	});

	it("the folder of all streams removed by hand is none of them there, and the store opens and goes on", async () => {
		await made("gone", "x");
		await store.close();
		await removed(join(folder, "data", "streams"));
		store = await open(`file:${join(folder, "data")}`);
		expect(await store.scope("cam").list()).toEqual([]);
		expect(await contents(await made("new", "y"))).toBe("y");
	});

	it("a moved folder is the same stream under another name", async () => {
		const { id } = await (await made("raw", "abc")).info();
		await store.close();
		await rename(placeOf("raw"), placeOf("moved"));
		store = await open(`file:${join(folder, "data")}`);
		const moved = store.scope("cam").stream("moved");
		await moved.append(Buffer.from("def"));
		expect((await moved.info()).id).toBe(id);
		await reopen();
		expect(await contents(store.scope("cam").stream("moved"))).toBe("abcdef");
		expect(await codeOf(store.scope("cam").stream("raw").info())).toBe("STREAMBED_NOT_FOUND");
	});

	it("frames that a crash left in the journal find a stream that was moved", async () => {
		await made("raw", "abc");
		const crashed = join(folder, "crashed");
		await cp(join(folder, "data"), crashed, { recursive: true, filter: (path) => !path.endsWith("LOCK") });
		await rm(join(crashed, "OWNER"));
		const streams = join(crashed, "streams", "cam");
		await rm(join(streams, "raw.stream", "0"), { recursive: true, force: true });
		await rename(join(streams, "raw.stream"), join(streams, "moved.stream"));
		await using recovered = await open(`file:${crashed}`);
		expect(await contents(recovered.scope("cam").stream("moved"))).toBe("abc");
	});

	it("a copied folder is a stream of its own, and both go on apart", async () => {
		const { id } = await (await made("raw", "abc")).info();
		await store.close();
		await cp(placeOf("raw"), placeOf("copy"), { recursive: true });
		store = await open(`file:${join(folder, "data")}`);
		const copy = store.scope("cam").stream("copy");
		const raw = store.scope("cam").stream("raw");
		await copy.append(Buffer.from("-copy"));
		await raw.append(Buffer.from("-raw"));
		expect((await copy.info()).id).not.toBe(id);
		expect((await raw.info()).id).toBe(id);
		await reopen();
		expect(await contents(store.scope("cam").stream("copy"))).toBe("abc-copy");
		expect(await contents(store.scope("cam").stream("raw"))).toBe("abc-raw");
	});

	it("a folder whose store.json is gone is not made a new store over the old one", async () => {
		await made("raw", "abc");
		await store.close();
		const lost = join(folder, "data", "store.json");
		const bytes = await readFile(lost);
		await rm(lost);
		const path = `file:${join(folder, "data")}`;
		expect(await codeOf(open(path))).toBe("STREAMBED_CORRUPT");
		await writeFile(lost, bytes);
		store = await open(path);
		expect(await contents(store.scope("cam").stream("raw"))).toBe("abc");
	});

	it("a stream whose stream.json is gone is damaged, and neither absent nor free to be made", async () => {
		await made("raw", "abc");
		await store.checkpoint();
		await store.close();
		await rm(join(placeOf("raw"), "stream.json"));
		store = await open(`file:${join(folder, "data")}`);
		expect(await codeOf(store.scope("cam").stream("raw").info())).toBe("STREAMBED_CORRUPT");
		expect(await codeOf(store.scope("cam").create("raw"))).toBe("STREAMBED_CORRUPT");
	});
});
