/** Opening a store with a large stream beside one with a small one: it costs what the journal holds, not the data. */
import { join } from "node:path";
import { open } from "../../src/index.ts";
import type { Case, Figures, Side } from "../harness.ts";
import { gib, kib, mib, type RunSettings, type Scenario, sizeName, sizeText } from "../scenario.ts";
import { fill, withStore } from "../stores.ts";
import { startChild } from "../workspace.ts";

const streamName = "opening";
const program: URL = new URL("../children/append-and-wait.ts", import.meta.url);

export const opening: Scenario = {
	name: "open",
	summary: "opening with a stream of 1 GiB beside one of 1 MiB, after a clean close and after a SIGKILL",
	cases: (settings) => {
		const large = settings.quick ? 16 * mib : gib;
		return [openCase("clean", large, 0, settings), openCase("killed", large, mib, settings)];
	},
};

/** With `killedBytes`, a process that has appended so many more is killed before each opening. */
function openCase(how: string, largeBytes: number, killedBytes: number, settings: RunSettings): Case {
	const smallBytes = mib;
	const large = `streambed, a stream of ${sizeText(largeBytes)}`;
	const small = `streambed, a stream of ${sizeText(smallBytes)}`;
	const { durability } = settings;
	const side = (name: string, bytes: number): Side => ({
		name,
		open: async (folder) => {
			const store = join(folder, "store");
			await withStore(store, { durability }, async (fresh) => {
				const scope = fresh.scope("bench");
				await fill(await scope.create(streamName), bytes, 64 * kib, 16);
				// As much again as the other side writes: the journal grows with the load, and both shall have the same.
				if (bytes < largeBytes) {
					await fill(await scope.create("other"), largeBytes - bytes, 64 * kib, 16);
					await scope.delete("other");
				}
			});
			return {
				run: async () => {
					if (killedBytes > 0) await appendAndKill(store, killedBytes, durability);
					return await timeOpening(store, durability, killedBytes === 0);
				},
			};
		},
	});
	return {
		name: `open/${how}/${sizeName(largeBytes)}`,
		sides: [side(large, largeBytes), side(small, smallBytes)],
		pairs: [
			{ ours: large, reference: small, metric: "ms", unit: "ms", bar: { atMost: 1.5 } },
			{ ours: large, reference: small, metric: "readKiB", unit: "KiB read" },
		],
		settings: { largeBytes, smallBytes, killedBytes },
	};
}

/** Appends in a process of its own and kills it once all is acknowledged. */
async function appendAndKill(store: string, bytes: number, durability: string): Promise<void> {
	const child = startChild(program, [store, streamName, String(bytes), durability]);
	await child.line();
	await child.kill();
}

/** From `open` to knowing the stream's bounds. */
async function timeOpening(folder: string, durability: "sync" | "os", clean: boolean): Promise<Figures> {
	const start = performance.now();
	const store = await open(`file:${folder}`, { durability });
	await store.scope("bench").stream(streamName).info();
	const ms = performance.now() - start;
	const { disk, recovery } = store.stats();
	await store.close();
	if (recovery.clean !== clean) throw new Error(`the opening took the store for ${recovery.clean ? "" : "not "}closed`);
	return { ms, readKiB: disk.readBytes / kib };
}
