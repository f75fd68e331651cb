/** Where streams of Stream Ops lie: a folder of block files, or a folder of such folders. */
import { type Dirent, readdirSync } from "node:fs";
import { join } from "node:path";

/** `<stream id>-<offset of the first record>`. */
export const blockPattern: RegExp = /^(.+)-([0-9A-F]{16})$/s;

/** A stream of Stream Ops. */
export interface StreamOpsStream {
	readonly folder: string;
	readonly id: string;
}

/** The streams that a folder is, or holds. */
export function streamsIn(path: string): StreamOpsStream[] {
	const entries = readdirSync(path, { withFileTypes: true });
	const own = idsOf(entries);
	if (own.length > 0) return own.map((id) => ({ folder: path, id }));
	return entries
		.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
		.toSorted((a, b) => (a.name < b.name ? -1 : 1))
		.flatMap(({ name }) => {
			const folder = join(path, name);
			return idsOf(readdirSync(folder, { withFileTypes: true })).map((id) => ({ folder, id }));
		});
}

function idsOf(entries: readonly Dirent[]): string[] {
	const ids = entries.filter((entry) => entry.isFile()).map(({ name }) => blockPattern.exec(name)?.[1]);
	return [...new Set(ids.filter((id) => id !== undefined))].toSorted();
}
