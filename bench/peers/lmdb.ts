/** Entries of LMDB, whose own batching puts what is handed over together into one transaction. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Database } from "lmdb";
import { loadPeer, type Peer } from "./peer.ts";

/** Each append waits until its transaction has been flushed to the disk; with durability "os" until it is committed. */
export const lmdb: Peer = {
	name: "lmdb: puts, and its flush awaited",
	open: async (folder, durability) => {
		const { open } = await loadPeer("lmdb", async () => await import("lmdb"));
		const path = join(folder, "peer.lmdb");
		const noSync = durability === "os";
		const make = (): Database<Uint8Array, number> =>
			open({ path, encoding: "binary", keyEncoding: "uint32", compression: false, noSync });
		let database = make();
		let next = 0;
		return {
			append: async (payload, count) => {
				let put: Promise<boolean> | undefined;
				for (let index = 0; index < count; index++) put = database.put(next++, payload);
				await (noSync ? put : database.flushed);
			},
			scan: async () => {
				let bytes = 0;
				for (const { value } of database.getRange()) bytes += value.length;
				return bytes;
			},
			clear: async () => {
				await database.close();
				rmSync(path, { recursive: true, force: true });
				rmSync(`${path}-lock`, { force: true });
				database = make();
				next = 0;
			},
			close: () => database.close(),
		};
	},
};
