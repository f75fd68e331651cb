/** Peak memory of a process that writes a stream and reads it back: it must not grow with the stream. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Case, Figures, Side } from "../harness.ts";
import { gib, mib, type Scenario, sizeName, sizeText } from "../scenario.ts";
import { startChild } from "../workspace.ts";

const program: URL = new URL("../children/write-and-read.ts", import.meta.url);

export const memory: Scenario = {
	name: "memory",
	summary: "peak memory while 4 GiB are written and read back, beside 256 MiB",
	cases: ({ durability, quick }) => [
		memoryCase(quick ? 64 * mib : 4 * gib, quick ? 32 * mib : 256 * mib, quick ? 2 : 1.25, durability),
	],
};

function memoryCase(largeBytes: number, smallBytes: number, flat: number, durability: string): Case {
	const large = `streambed, ${sizeText(largeBytes)}`;
	const small = `streambed, ${sizeText(smallBytes)}`;
	const side = (name: string, bytes: number): Side => ({
		name,
		open: async (folder) => {
			const store = join(folder, "store");
			return {
				run: async () => {
					const child = startChild(program, [store, String(bytes), durability]);
					const figures = JSON.parse(await child.line()) as Figures;
					await child.end();
					rmSync(store, { recursive: true });
					return figures;
				},
			};
		},
	});
	const pair = { ours: large, reference: small };
	return {
		name: `memory/${sizeName(largeBytes)}`,
		sides: [side(large, largeBytes), side(small, smallBytes)],
		pairs: [
			{ ...pair, metric: "maxRssMiB", unit: "MiB peak", bar: { atMost: flat } },
			{ ...pair, metric: "writeRate", unit: "MB/s written" },
			{ ...pair, metric: "readRate", unit: "MB/s read" },
		],
		settings: { largeBytes, smallBytes, appendBytes: 64 * 1024 },
		warmUp: false,
	};
}
