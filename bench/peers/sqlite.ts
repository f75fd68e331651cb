/** Rows in the SQLite that comes with Node. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Peer } from "./peer.ts";

const pageRows = 1000;

/**
 * Each append is one transaction; `synchronous=FULL` syncs the write-ahead log at each commit. The database stays, with a new
 * table in its place for each round, so that the log is overwritten and need not grow.
 */
export const sqlite: Peer = {
	name: "node:sqlite: WAL, a transaction",
	open: async (folder, durability) => {
		const database = new DatabaseSync(join(folder, "peer.sqlite"));
		database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${durability === "sync" ? "FULL" : "NORMAL"}`);
		const makeTable = (): void => database.exec("CREATE TABLE payloads (id INTEGER PRIMARY KEY, payload BLOB)");
		makeTable();
		const begin = database.prepare("BEGIN");
		const commit = database.prepare("COMMIT");
		let insert = database.prepare("INSERT INTO payloads (payload) VALUES (?)");
		return {
			append: async (payload, count) => {
				begin.run();
				for (let index = 0; index < count; index++) insert.run(payload);
				commit.run();
			},
			scan: async () => {
				const page = database.prepare("SELECT id, payload FROM payloads WHERE id > ? ORDER BY id LIMIT ?");
				let bytes = 0;
				let last = 0;
				for (;;) {
					const rows = page.all(last, pageRows) as { id: number; payload: Uint8Array }[];
					for (const { payload } of rows) bytes += payload.length;
					last = rows.at(-1)?.id ?? 0;
					if (rows.length < pageRows) return bytes;
				}
			},
			clear: async () => {
				database.exec("DROP TABLE payloads");
				makeTable();
				insert = database.prepare("INSERT INTO payloads (payload) VALUES (?)");
			},
			close: async () => database.close(),
		};
	},
};
