/** A peer that comes with Node: rows in SQLite, a transaction per batch, durable before the next one. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Side } from "./harness.ts";
import { Latencies } from "./statistics.ts";

/** Inserts batches of `inFlight` payloads; `synchronous=FULL` syncs the write-ahead log at each commit. */
export function sqliteTransactions(
	name: string,
	{ payload, inFlight, durability }: { payload: Uint8Array; inFlight: number; durability: "sync" | "os" },
): Side {
	return {
		name,
		open: async (folder) => {
			const database = new DatabaseSync(join(folder, "peer.sqlite"));
			database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${durability === "sync" ? "FULL" : "NORMAL"}`);
			let round = 0;
			return {
				run: async (seconds) => {
					const table = `round${round++}`;
					database.exec(`CREATE TABLE ${table} (id INTEGER PRIMARY KEY, payload BLOB)`);
					const insert = database.prepare(`INSERT INTO ${table} (payload) VALUES (?)`);
					const latencies = new Latencies();
					const start = performance.now();
					let now = start;
					let batches = 0;
					do {
						const began = performance.now();
						database.exec("BEGIN");
						for (let index = 0; index < inFlight; index++) insert.run(payload);
						database.exec("COMMIT");
						batches++;
						now = performance.now();
						latencies.add(now - began);
					} while (now < start + seconds * 1000);
					database.exec(`DROP TABLE ${table}`);
					return { ...latencies.figures(), rate: (batches * inFlight * 1000) / (now - start) };
				},
				close: async () => database.close(),
			};
		},
	};
}
