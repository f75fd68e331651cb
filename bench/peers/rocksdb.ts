/** Entries of RocksDB. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { RocksLevel } from "@nxtedition/rocksdb";
import { keyBytes, loadPeer, type Peer } from "./peer.ts";

const pageEntries = 1000;
const pageBytes: number = 4 * 1024 * 1024;

/** Each append is one batch, written with a sync of its log; in the calling thread, as this package does it. */
export const rocksdb: Peer = {
	name: "RocksDB: a synced batch",
	open: async (folder, durability) => {
		const { RocksLevel } = await loadPeer("@nxtedition/rocksdb", async () => await import("@nxtedition/rocksdb"));
		const path = join(folder, "peer.rocksdb");
		const sync = durability === "sync";
		const make = async (): Promise<RocksLevel> => {
			const made = new RocksLevel(path, { keyEncoding: "buffer", valueEncoding: "buffer" });
			await made.open({ createIfMissing: true });
			return made;
		};
		let database = await make();
		let next = 0;
		return {
			append: async (payload, count) => {
				const batch = database.batch();
				for (let index = 0; index < count; index++) batch.put(keyBytes(next++), payload);
				await batch.write({ sync });
			},
			scan: async () => {
				const entries = database.iterator({ highWaterMarkBytes: pageBytes });
				let bytes = 0;
				for (;;) {
					const page = await entries.nextv(pageEntries);
					for (const [, value] of page) bytes += value.length;
					if (page.length === 0) break;
				}
				await entries.close();
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
