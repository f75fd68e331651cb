/** What is left of a deleted stream: nothing of it comes back, and nothing is in the way of the next one. */
import { join } from "node:path/posix";
import { describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { DESCRIPTOR, isOccupied, makeInside } from "../../../src/log/files/stream-folder.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { errorOf, leftBy, openOwner, openReader, ROOT, readFrom, writeFile } from "./store-kit.ts";

const STREAM = join(ROOT, "streams", "a", "s.stream");

/** A disk with a stream's folder. */
async function withStream(): Promise<Disk> {
	const disk = memoryDisk();
	await disk.mkdir(STREAM);
	await writeFile(disk, join(STREAM, DESCRIPTOR), Uint8Array.of(1));
	return disk;
}

describe("a folder inside a stream's", () => {
	it("is made with those between", async () => {
		const disk = await withStream();
		await makeInside(disk, STREAM, join(STREAM, "0", "staged"));
		await makeInside(disk, STREAM, join(STREAM, "0", "staged"));
		expect((await disk.stat(join(STREAM, "0", "staged")))?.kind).toBe("folder");
	});

	it("is never there once the stream is gone, whichever call that comes before", async () => {
		for (const before of [0, 1, 2]) {
			const inner = await withStream();
			let calls = 0;
			let moved = false;
			const disk: Disk = new Proxy(inner, {
				get: (target, name: keyof Disk) => {
					const call = target[name];
					if (typeof call !== "function") return call;
					return async (...rest: unknown[]) => {
						if (calls++ === before) {
							await target.rename(STREAM, join(ROOT, "gone"));
							moved = true;
						}
						await (call as (...rest: unknown[]) => Promise<unknown>).apply(target, rest);
						if (moved) expect(await target.stat(STREAM), `${name}, moved before call ${before}`).toBe(undefined);
					};
				},
			});
			await expect(makeInside(disk, STREAM, join(STREAM, "0", "staged"))).rejects.toMatchObject({ code: "ENOENT" });
			expect(moved).toBe(true);
		}
	});
});

describe("folders without a file at a stream's place", () => {
	it("are not in its way", async () => {
		const disk = memoryDisk();
		await disk.mkdir(join(STREAM, "0", "staged"));
		await disk.mkdir(join(STREAM, "1"));
		expect(await isOccupied(disk, STREAM)).toBe(false);
		expect(await disk.stat(STREAM)).toBe(undefined);
	});

	it("are something as soon as there is one file, however deep", async () => {
		const disk = memoryDisk();
		await disk.mkdir(join(STREAM, "0", "staged"));
		await writeFile(disk, join(STREAM, "0", "staged", "x"), new Uint8Array(1));
		expect(await isOccupied(disk, STREAM)).toBe(true);
		expect(await disk.stat(join(STREAM, "0", "staged", "x"))).not.toBe(undefined);
	});

	it("are no damaged stream, and one can be made there", async () => {
		const left = await leftBy("killed", async () => {});
		await left.disk.mkdir(join(STREAM, "0", "staged"));
		const reader = await openReader(left);
		expect(await errorOf(reader.scope("a").stream("s").info())).toMatchObject({ code: "STREAMBED_NOT_FOUND" });
		await reader.close();
		const store = await openOwner(left);
		expect(await errorOf(store.scope("a").stream("s").info())).toMatchObject({ code: "STREAMBED_NOT_FOUND" });
		const stream = await store.scope("a").create("s");
		await stream.append(Buffer.from("new"));
		expect(String(await readFrom(stream, 0))).toBe("new");
		await store.close();
	});
});
