/** Random damage, then a repair: what was readable stays so, nothing false is delivered, no position is given away twice. */
import { join } from "node:path/posix";
import { beforeAll, describe, expect, it } from "vitest";
import type { Disk } from "../../src/disk/disk.ts";
import { overlayDisk } from "../../src/disk/overlay-disk.ts";
import { repairStore } from "../../src/index.ts";
import { numbers } from "../unit/log/pattern.ts";
import {
	CHECKPOINT,
	DESCRIPTION,
	forgetRounds,
	liveLocker,
	RING,
	readAround,
	TOTAL,
	write,
} from "../unit/log/repair-kit.ts";
import { cutFile, leftBy, patchFile, ROOT, segmentFiles, writeFile } from "../unit/log/store-kit.ts";

const RUNS = 150;

let closed: Disk;
let killed: Disk;
let files: string[];

beforeAll(async () => {
	closed = (await leftBy("closed", write)).disk;
	killed = (await leftBy("killed", write)).disk;
	files = [...(await segmentFiles(closed, "a/b")), ...(await segmentFiles(closed, "a/c"))];
});

/** Does one random thing to a file of the store; tells what. */
async function damage(disk: Disk, path: string, next: (below: number) => number): Promise<string> {
	if ((await disk.stat(path)) === undefined) return `${path} is not there`;
	const picked = files[next(files.length)] ?? path;
	const other = (await disk.stat(picked)) === undefined ? path : picked;
	const { length } = await disk.readFile(path);
	const at = next(Math.max(1, length));
	const kind = next(6);
	const bytes = Uint8Array.from({ length: 1 + next(3000) }, () => next(256));
	if (kind === 0) await patchFile(disk, path, bytes.subarray(0, length - at), at);
	else if (kind === 1) await patchFile(disk, path, new Uint8Array(Math.min(bytes.length, length - at)), at);
	else if (kind === 2) await patchFile(disk, path, bytes, length);
	else if (kind === 3) await cutFile(disk, path, at);
	else if (kind === 4) await writeFile(disk, path, await disk.readFile(other));
	else await patchFile(disk, path, bytes.subarray(0, 1), at);
	return `${["noise", "zeros", "bytes behind", "cut", "another file", "one byte"][kind]} at ${at} of ${path}`;
}

/** How many bytes of the pattern are readable; -1 where the store or stream cannot be opened. */
async function readable(disk: Disk): Promise<{ bytes: number; next: number | string; sealed: string }> {
	try {
		const { read, next, sealed } = await readAround(disk);
		return { bytes: read.reduce((sum, [from, to]) => sum + to - from, 0), next, sealed };
	} catch (error) {
		expect((error as { code?: unknown }).code).toMatch(/^STREAMBED_/);
		return { bytes: -1, next: "closed", sealed: "closed" };
	}
}

describe.each(["closed", "closed, its journal empty", "killed"])("a store that was %s", (left) => {
	it("keeps what is readable, and its positions, through any damage and repair", { timeout: 120_000 }, async () => {
		const next = numbers(left.length);
		const settings = [DESCRIPTION, join(ROOT, "store.json")];
		const journal = [CHECKPOINT, RING];
		let repaired = 0;
		for (let run = 0; run < RUNS; run++) {
			const disk = overlayDisk(left === "killed" ? killed : closed);
			if (left.includes("empty")) await forgetRounds(disk);
			const indexes = files.map((path) => path.replace(".seg", ".idx"));
			const places = left === "killed" ? [...files, ...settings] : [...files, ...indexes, ...settings, ...journal];
			const done: string[] = [];
			for (let count = 1 + next(2); count > 0; count--) {
				done.push(await damage(disk, places[next(places.length)] ?? "", next));
			}
			const context = done.join(", ");
			const before = await readable(disk);
			const result = await repairStore(ROOT, { disk, lock: liveLocker() }).catch((error: unknown) => {
				expect((error as { code?: unknown }).code, context).toBe("STREAMBED_CORRUPT");
				return undefined;
			});
			if (result === undefined) continue;
			if (result.steps.length > 0) repaired++;
			const after = await readable(disk);
			expect(after.bytes, context).toBeGreaterThanOrEqual(before.bytes);
			const warned = result.steps.some(
				({ path, what }) => path.includes("/c.stream/") && what.includes("seal it again"),
			);
			if (after.sealed === "appended" && before.sealed !== "appended") expect(warned, context).toBe(true);
			if (typeof after.next === "number" && before.next !== after.next) {
				expect(after.next, context).toBeGreaterThanOrEqual(TOTAL);
			}
			const again = await repairStore(ROOT, { disk, lock: liveLocker() });
			expect(again.steps, context).toEqual([]);
		}
		expect(repaired).toBeGreaterThan(RUNS / 5);
	});
});
