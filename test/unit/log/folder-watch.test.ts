/** The watch over folders of streams: what each look costs, and what it sees. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Disk } from "../../../src/disk/disk.ts";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { FolderWatch, type WatchHost } from "../../../src/log/shards/folder-watch.ts";
import type { StreamLog } from "../../../src/log/shards/stream-log.ts";

let root: string;
let watched: Watched;

beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "streambed-watch-"));
	watched = new Watched(nodeDisk());
});

afterEach(() => {
	watched.watch.stop();
	rmSync(root, { recursive: true, force: true });
});

/** A watch whose looks are called for by the test. */
class Watched {
	readonly streams: StreamLog[] = [];
	readonly gone: string[] = [];
	readonly watch: FolderWatch;
	looked: string[] = [];
	failing = "";
	#next: () => void = () => {};
	#armed: () => void = () => {};

	constructor(disk: Disk, told = true) {
		const stat: Disk["stat"] = async (path) => {
			this.looked.push(path.slice(root.length + 1));
			if (path === this.failing) throw Object.assign(new Error("a media error"), { code: "EIO" });
			const info = await disk.stat(path);
			if (info === undefined || told) return info;
			const { changed: _, ...rest } = info;
			return rest;
		};
		const host = {
			disk: { ...disk, stat },
			clock: {
				setTimer: (_ms: number, fire: () => void) => {
					this.#next = fire;
					this.#armed();
					return { cancel: () => {} };
				},
			},
			owner: { check: async () => {} },
			allStreams: () => this.streams,
			noticeGone: (stream: StreamLog) => {
				this.gone.push(stream.path.slice(root.length + 1));
				this.streams.splice(this.streams.indexOf(stream), 1);
			},
			stop: (error: unknown) => {
				throw error;
			},
		};
		this.watch = new FolderWatch(host as unknown as WatchHost);
	}

	add(name: string): void {
		mkdirSync(join(root, name), { recursive: true });
		this.streams.push({ path: join(root, name), identity: undefined } as unknown as StreamLog);
	}

	/** Looks so many times; returns what the last look asked the disk for. */
	async look(times = 1): Promise<string[]> {
		for (; times > 0; times--) {
			this.looked = [];
			const done = new Promise<void>((resolve) => (this.#armed = resolve));
			this.#next();
			await done;
		}
		return this.looked.toSorted();
	}

	/** Looks until nothing is doubtful any more. */
	async settle(): Promise<void> {
		for (let index = 0; index < 5; index++) this.add(`a/s-${index}`);
		this.add("b/other");
		expect(await this.look(6)).toEqual(["a", "b"]);
		expect(this.gone).toEqual([]);
	}
}

describe("the watch over folders of streams", () => {
	it("asks for a folder alone once all in it has been seen and nothing has changed since", async () => {
		await watched.settle();
		mkdirSync(join(root, "a", "new"));
		const all = ["a", "a/s-0", "a/s-1", "a/s-2", "a/s-3", "a/s-4", "b"];
		expect(await watched.look()).toEqual(all);
		expect(await watched.look(2)).toEqual(all);
		expect(await watched.look(2)).toEqual(["a", "b"]);
		expect(watched.gone).toEqual([]);
	});

	it("sees at its next look what was removed, replaced or moved", async () => {
		await watched.settle();
		rmSync(join(root, "a/s-1"), { recursive: true });
		await watched.look();
		expect(watched.gone).toEqual(["a/s-1"]);
		await watched.look(5);
		mkdirSync(join(root, "elsewhere"));
		rmSync(join(root, "a/s-2"), { recursive: true });
		renameSync(join(root, "elsewhere"), join(root, "a/s-2"));
		await watched.look();
		expect(watched.gone).toEqual(["a/s-1", "a/s-2"]);
		await watched.look(5);
		renameSync(join(root, "b"), join(root, "c"));
		await watched.look();
		expect(watched.gone).toEqual(["a/s-1", "a/s-2", "b/other"]);
		expect(watched.streams.length).toBe(3);
	});

	it("sees it also where somebody has set the folder's times back, as copying programs do", async () => {
		const then = new Date(1_700_000_000_000);
		mkdirSync(join(root, "a"));
		utimesSync(join(root, "a"), then, then);
		await watched.settle();
		utimesSync(join(root, "a"), then, then);
		await watched.look(5);
		rmSync(join(root, "a/s-1"), { recursive: true });
		utimesSync(join(root, "a"), then, then);
		await watched.look();
		expect(watched.gone).toEqual(["a/s-1"]);
	});

	it("sees all when the folder itself is replaced by another one", async () => {
		await watched.settle();
		mkdirSync(join(root, "x", "s-0"), { recursive: true });
		renameSync(join(root, "a"), join(root, "old"));
		renameSync(join(root, "x"), join(root, "a"));
		await watched.look();
		expect(watched.gone.toSorted()).toEqual(["a/s-0", "a/s-1", "a/s-2", "a/s-3", "a/s-4"]);
	});

	it("looks at once at a stream that is new to it, and again at what it could not look at", async () => {
		await watched.settle();
		watched.streams.push({ path: join(root, "a/s-4"), identity: undefined } as unknown as StreamLog);
		expect(await watched.look()).toEqual(["a", "a/s-4", "b"]);
		watched.failing = join(root, "a/s-0");
		rmSync(join(root, "a/s-0"), { recursive: true });
		await watched.look(6);
		expect(watched.gone).toEqual([]);
		watched.failing = "";
		await watched.look();
		expect(watched.gone).toEqual(["a/s-0"]);
	});

	it("looks at each stream where the disk does not tell of changes", async () => {
		watched.watch.stop();
		watched = new Watched(nodeDisk(), false);
		for (const name of ["s-0", "s-1"]) watched.add(`a/${name}`);
		expect(await watched.look(9)).toEqual(["a", "a/s-0", "a/s-1"]);
	});
});
