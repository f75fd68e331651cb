/** Opening after a kill, with a journal that is nearly full: what is redone beside the same bytes written plainly and synced. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { open } from "../../src/index.ts";
import type { Case, Side } from "../harness.ts";
import { writeFile } from "../plain-fs.ts";
import { kib, mib, type Scenario } from "../scenario.ts";
import { startChild } from "../workspace.ts";

const program: URL = new URL("../children/fill-journal.ts", import.meta.url);
const redo = "streambed, opening";
const plain = "fs: files written and synced";

interface Load {
	/** Of appends in the journal, near its default bound of 64 MiB. */
	readonly bytes: number;
	readonly pieceBytes: number;
	readonly streams: number;
	readonly producer: boolean;
}

export const redoing: Scenario = {
	name: "redo",
	summary: "opening with a full journal after a SIGKILL beside writing the same bytes to files, synced",
	cases: ({ durability, quick }) => {
		// Without syncs there is nothing to compare: the redo syncs in any case.
		if (durability === "os") return [];
		// With table and padding somewhat less than 64 MiB each.
		const part = quick ? 1 / 16 : 1;
		return [
			redoCase("64KiB", { bytes: 60 * mib * part, pieceBytes: 64 * kib, streams: 1, producer: false }),
			redoCase("100B", { bytes: 56 * mib * part, pieceBytes: 100, streams: 1, producer: false }),
			redoCase("100B-producer", { bytes: 46 * mib * part, pieceBytes: 100, streams: 1, producer: true }),
			redoCase("64-streams", { bytes: 56 * mib * part, pieceBytes: 4 * kib, streams: 64, producer: false }),
		];
	},
};

function redoCase(how: string, load: Load): Case {
	return {
		name: `redo/${how}`,
		sides: [redoSide(load), plainSide(load)],
		pairs: [{ ours: redo, reference: plain, metric: "rate", unit: "MB/s", bar: { atLeast: 0.5 } }],
		settings: { ...load },
	};
}

function redoSide({ bytes, pieceBytes, streams, producer }: Load): Side {
	return {
		name: redo,
		open: async (folder) => {
			const store = join(folder, "store");
			let round = 0;
			return {
				run: async () => {
					const scope = `round-${round++}`;
					const numbers = [bytes, pieceBytes, streams, producer ? 1 : 0].map(String);
					const child = startChild(program, [store, scope, ...numbers]);
					await child.line();
					await child.kill();
					const began = performance.now();
					const opened = await open(`file:${store}`);
					const ms = performance.now() - began;
					const { redoneBytes } = opened.stats().recovery;
					if (redoneBytes < bytes) throw new Error(`of ${bytes} bytes only ${redoneBytes} were redone`);
					for (const { stream } of await opened.scope(scope).list()) await opened.scope(scope).delete(stream);
					await opened.close();
					return { rate: redoneBytes / 1e3 / ms };
				},
			};
		},
	};
}

function plainSide({ bytes, streams }: Load): Side {
	return {
		name: plain,
		open: async (folder) => {
			const files = join(folder, "files");
			return {
				run: async () => {
					mkdirSync(files);
					const began = performance.now();
					for (let index = 0; index < streams; index++) writeFile(join(files, `${index}`), Math.floor(bytes / streams));
					const ms = performance.now() - began;
					rmSync(files, { recursive: true });
					return { rate: bytes / 1e3 / ms };
				},
			};
		},
	};
}
