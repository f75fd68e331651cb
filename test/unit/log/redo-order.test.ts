/** What a reader that has stayed open sees while the next owner redoes the journal. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Disk, DiskFile } from "../../../src/disk/disk.ts";
import { leftBy, openOwner } from "./store-kit.ts";

const isSegment = (path: string): boolean => path.endsWith(".seg");

/** A disk whose writes to segments take some turns; at each making of a segment it notes those that are being written. */
function watched(inner: Disk): { disk: Disk; made: string[][] } {
	const writing: string[] = [];
	const made: string[][] = [];
	const slow = (file: DiskFile): DiskFile => ({
		path: file.path,
		read: (target, position) => file.read(target, position),
		writeDurable: (data, position) => file.writeDurable(data, position),
		sync: () => file.sync(),
		truncate: (length) => file.truncate(length),
		size: () => file.size(),
		close: () => file.close(),
		write: async (data, position) => {
			writing.push(file.path);
			for (let turn = 0; turn < 50; turn++) await nextTurn();
			await file.write(data, position);
			writing.splice(writing.indexOf(file.path), 1);
		},
	});
	const open: Disk["open"] = async (path, mode, options) => {
		if (isSegment(path) && mode === "create") made.push([...writing]);
		const file = await inner.open(path, mode, options);
		return isSegment(path) ? slow(file) : file;
	};
	const get = (target: Disk, name: keyof Disk): unknown => {
		const value = name === "open" ? open : target[name];
		return typeof value === "function" ? value.bind(target) : value;
	};
	return { disk: new Proxy(inner, { get: (target, name) => get(target, name as keyof Disk) }), made };
}

describe("redo", () => {
	it("makes no segment while something is on its way to the one before, which then looks complete", async () => {
		const left = await leftBy("killed", async (store) => {
			const stream = await store.scope("s").create("b", { segmentBytes: 65_536 });
			for (let append = 0; append < 130; append++) await stream.append(new Uint8Array(60_000).fill(append));
		});
		const folder = "/data/streams/s/b.stream/0";
		for (const { name } of await left.disk.list(folder)) await left.disk.unlink(`${folder}/${name}`);
		const { disk, made } = watched(left.disk);
		await using store = await openOwner({ ...left, disk });
		expect(store.stats().recovery.redoneBytes).toBeGreaterThan(7_800_000);
		expect(made.length).toBeGreaterThan(100);
		expect(made.flat()).toEqual([]);
		const stream = await store.scope("s").stream("b").open();
		expect((await stream.info()).shards[0]?.tail).toBe(7_800_000);
	});
});
