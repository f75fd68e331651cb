/** The newest segment of a shard is gone: what can tell, and what then holds. */
import { describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { overlayDisk } from "../../../src/disk/overlay-disk.ts";
import { memoryLocker } from "../../../src/testing/memory-locker.ts";
import { forgetRounds, readAround, repair, TOTAL, write } from "./repair-kit.ts";
import { copyTree, leftBy, openOwner, readFrom, segmentFiles } from "./store-kit.ts";

/** What an owner says to an append to a/b: the position, or the code of the refusal. */
async function appending(disk: Disk): Promise<number | string> {
	const store = await openOwner({ disk, locker: memoryLocker() }, { create: false });
	const stream = store.scope("a").stream("b");
	const told = await stream.append(Buffer.of(1)).then(
		({ from }) => from,
		(error: { code: string }) => error.code,
	);
	await store.close();
	return told;
}

describe("a newest segment that somebody removed after a clean close", () => {
	it("is noticed by the next owner, who gives none of its positions away", async () => {
		const { disk } = await leftBy("closed", write);
		await forgetRounds(disk);
		const files = await segmentFiles(disk, "a/b");
		const path = files.at(-1) ?? "";
		await disk.unlink(path);
		expect(await appending(overlayDisk(disk))).toBe("STREAMBED_CORRUPT");
		const store = await openOwner({ disk: overlayDisk(disk), locker: memoryLocker() }, { create: false });
		const stream = store.scope("a").stream("b");
		const base = Number(path.slice(-24, -4));
		expect((await stream.info()).shards[0]?.tail).toBe(base);
		await expect(readFrom(stream, 0)).rejects.toMatchObject({
			code: "STREAMBED_CORRUPT",
			details: { path, offset: 0 },
		});
		await store.close();
		await repair(disk);
		const { read, next } = await readAround(disk);
		expect(read).toEqual([[0, base]]);
		expect(next).toBeGreaterThanOrEqual(TOTAL);
	});

	it("is noticed also where it was the only one", async () => {
		const { disk } = await leftBy("closed", async (store) => {
			await (await store.scope("a").create("b")).append(Buffer.from("all of it"));
		});
		for (const path of await segmentFiles(disk, "a/b")) await disk.unlink(path);
		expect(await appending(disk)).toBe("STREAMBED_CORRUPT");
	});

	it("is not missed after an owner's death, which its index cannot tell from, nor later", async () => {
		const { disk } = await leftBy("closed", write);
		await forgetRounds(disk);
		await disk.unlink((await segmentFiles(disk, "a/b")).at(-1) ?? "");
		// Somebody who writes elsewhere, and dies.
		const store = await openOwner({ disk, locker: memoryLocker() }, { create: false });
		await (await store.scope("a").create("elsewhere")).append(Buffer.of(1));
		const left = await copyTree(disk);
		await store.close();
		const first = await appending(left);
		expect(typeof first).toBe("number");
		expect(await appending(left)).toBe((first as number) + 1);
	});

	it("is not taken for gone because of an index of another stream, or one that fails its check", async () => {
		const { disk } = await leftBy("closed", write);
		const path = (await segmentFiles(disk, "a/b")).at(-1)?.replace(/\d{4}\.seg$/, "9999.idx") ?? "";
		const other = (await segmentFiles(disk, "a/c"))[0]?.replace(".seg", ".idx") ?? "";
		for (const bytes of [Buffer.from("nonsense"), await disk.readFile(other)]) {
			const copy = overlayDisk(disk);
			const file = await copy.open(path, "create");
			await file.write(bytes, 0);
			await file.close();
			expect(await appending(copy)).toBe(TOTAL);
		}
	});
});
