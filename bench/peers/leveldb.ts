/** Entries of LevelDB. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ClassicLevel } from "classic-level";
import { keyBytes, loadPeer, type Peer } from "./peer.ts";

const pageEntries = 1000;
const pageBytes: number = 4 * 1024 * 1024;
const writeBufferSize: number = 64 * 1024 * 1024;

/** Each append is one batch, written with a sync of its log. */
export const leveldb: Peer = {
	name: "LevelDB: a synced batch",
	open: async (folder, durability) => {
		const level = await loadPeer("classic-level", async () => await import("classic-level"));
		const path = join(folder, "peer.leveldb");
		const sync = durability === "sync";
		const options = {
			keyEncoding: "buffer",
			valueEncoding: "buffer",
			compression: false,
			writeBufferSize,
		} as const;
		const make = async (): Promise<ClassicLevel<Uint8Array, Uint8Array>> => {
			const made = new level.ClassicLevel<Uint8Array, Uint8Array>(path, options);
			await made.open();
			return made;
		};
		let database = await make();
		let next = 0;
		return {
			append: async (payload, count) => {
				const puts = Array.from({ length: count }, () => {
					return { type: "put" as const, key: keyBytes(next++), value: payload };
				});
				await database.batch(puts, { sync });
			},
			scan: async () => {
				const values = database.values({ highWaterMarkBytes: pageBytes });
				let bytes = 0;
				for (;;) {
					const page = await values.nextv(pageEntries);
					for (const value of page) bytes += value.length;
					if (page.length === 0) break;
				}
				await values.close();
				return bytes;
			},
			clear: async () => {
				await database.close();
				rmSync(path, { recursive: true, force: true });
				next = 0;
				database = await make();
			},
			close: () => database.close(),
		};
	},
};
