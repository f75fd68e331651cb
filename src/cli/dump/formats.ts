/** The formats that `dump` reads. Another one is a file beside this and a line in the list. */
import type { DumpLine } from "../../index.ts";

/** What a dump works with. */
export interface DumpIo {
	/** Show the beginning of the data. */
	readonly data: boolean;
	readonly signal: AbortSignal;
}

/** A family of files. */
export interface DumpFormat {
	/** Whose files they are, for the error when nobody knows a file. */
	readonly name: string;
	/** Dumps a file; throws DECODE before the first line if it is none of this family. */
	dump(path: string, io: DumpIo): AsyncIterable<DumpLine>;
}

const streambed: DumpFormat = {
	name: "Streambed",
	async *dump(path, { data, signal }) {
		const { dumpFile } = await import("../../index.ts");
		yield* dumpFile(path, { data, signal });
	},
};

/** All formats, in the order in which they are asked. */
export const dumpFormats: readonly DumpFormat[] = [streambed];
