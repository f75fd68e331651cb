/** A write in parts, from its first byte to its commit, beside the same bytes written plainly to one file with one sync. */
import { open as openFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Case, Figures, Side } from "../harness.ts";
import { gib, mib, type RunSettings, type Scenario, sizeName } from "../scenario.ts";
import { somePayload, streamSide } from "../stores.ts";

const ours = "streambed, write in parts and commit";
const plain = "fs: write, one fdatasync at the end";

export const multipart: Scenario = {
	name: "multipart",
	summary: "a write in parts beside the same bytes written plainly with one sync",
	cases: (settings) =>
		(settings.quick ? [8 * mib] : [2 * mib, 64 * mib, gib]).map((bytes) => multipartCase(bytes, settings)),
};

function multipartCase(bytes: number, { durability }: RunSettings): Case {
	const piece = somePayload(mib);
	const pair = { ours, reference: plain };
	return {
		name: `multipart/${sizeName(bytes)}`,
		sides: [
			streamSide(ours, { durability }, async (stream) => {
				await using writer = stream.writer();
				const start = performance.now();
				const write = writer.multipart();
				for (let at = 0; at < bytes; at += piece.length) await write.write(piece);
				await write.commit();
				return { rate: bytes / mib / ((performance.now() - start) / 1000) };
			}),
			plainSide(piece, bytes, durability),
		],
		pairs: [{ ...pair, metric: "rate", unit: "MiB/s", ...(bytes === gib ? { bar: { atLeast: 0.85 } } : {}) }],
		settings: { bytes, pieceBytes: piece.length },
	};
}

function plainSide(piece: Uint8Array, bytes: number, durability: RunSettings["durability"]): Side {
	return {
		name: plain,
		open: async (folder) => ({
			run: async (): Promise<Figures> => {
				const path = join(folder, "plain");
				const start = performance.now();
				const file = await openFile(path, "w");
				for (let at = 0; at < bytes; at += piece.length) await file.write(piece, 0, piece.length, at);
				if (durability === "sync") await file.datasync();
				const elapsedMs = performance.now() - start;
				await file.close();
				await unlink(path);
				return { rate: bytes / mib / (elapsedMs / 1000) };
			},
		}),
	};
}
