/** Several who wait for the same thing: none may go on before what it waits for is done. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { WriteBehind, type WriteBehindHost } from "../../../src/log/commit/write-behind.ts";
import { FilePool } from "../../../src/log/files/file-pool.ts";
import type { ShardLog } from "../../../src/log/shards/shard-log.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";

/** A gate that holds each who comes until it is opened for him. */
class Gate {
	readonly #held: (() => void)[] = [];

	pass(): Promise<void> {
		return new Promise((resolve) => this.#held.push(resolve));
	}

	get held(): number {
		return this.#held.length;
	}

	open(): void {
		this.#held.shift()?.();
	}
}

async function settle(): Promise<void> {
	for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("waiting together", () => {
	it("a flush of write-behind ends when its own frames are written, also when another began the run", async () => {
		const gate = new Gate();
		const written: string[] = [];
		const host = {
			clock: systemClock,
			tailCache: { shrink: () => {} },
			beforeWriting: async () => true,
			written: async (shard: ShardLog) => {
				await gate.pass();
				written.push(shard.owner.name);
			},
			recovered: () => {},
		} as unknown as WriteBehindHost;
		const behind = new WriteBehind(host);
		const shard = (name: string): ShardLog =>
			({ owner: { name }, memory: { unwritten: () => [] }, files: { segments: [1, 2] } }) as unknown as ShardLog;
		behind.add([shard("first")], 1);
		const run = behind.flush();
		await settle();
		behind.add([shard("second")], 1);
		const seen: string[][] = [];
		const flushes = [1, 2].map(() => behind.flush().then(() => seen.push([...written])));
		gate.open();
		await run;
		await settle();
		expect(gate.held).toBe(1);
		expect(seen).toEqual([]);
		gate.open();
		await Promise.all(flushes);
		expect(seen).toEqual([
			["first", "second"],
			["first", "second"],
		]);
		await behind.stop();
	});

	it("a sync of a file ends when the writes before it are durable, also when another began it", async () => {
		const gate = new Gate();
		const inner = memoryDisk();
		await inner.mkdir("/d");
		await (await inner.open("/d/a", "create")).close();
		const disk: typeof inner = Object.create(inner, {
			open: {
				value: async (path: string, mode: "write") =>
					Object.assign(Object.create(null), {
						path,
						write: async () => {},
						sync: () => gate.pass(),
						close: async () => {},
						mode,
					}),
			},
		});
		const pool = new FilePool(disk, 8, "write", () => {});
		await pool.write("/d/a", new Uint8Array(1), 0);
		const first = pool.sync("/d/a");
		await settle();
		await pool.write("/d/a", new Uint8Array(1), 1);
		let ended = 0;
		const syncs = [1, 2].map(() =>
			pool.sync("/d/a").then(() => {
				ended++;
			}),
		);
		gate.open();
		await first;
		await settle();
		expect(gate.held).toBe(1);
		expect(ended).toBe(0);
		gate.open();
		await Promise.all(syncs);
		expect(ended).toBe(2);
		await pool.close();
	});
});
