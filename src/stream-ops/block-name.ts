/** Names of streams and of their block files: the stream's id, a dash, the first record's offset in hexadecimal. */
import { fail } from "../core/errors.ts";
import { describe } from "../core/options.ts";
import { lockFolderName } from "./append-lock.ts";

const digits = 16;
/** With the dash and the digits a file name has at most 255 bytes. */
const maxIdBytes = 255 - digits - 1;

/** Checks a stream's id, which becomes the name of a folder and of files. @throws INVALID_NAME */
export function checkStreamId(id: unknown): string {
	const why = wrongWith(id);
	if (why === undefined) return id as string;
	throw fail("INVALID_NAME", `stream id ${describe(id)} is invalid: ${why}`, {
		hint: "An id is the name of a folder: letters, digits, dashes and dots are fine.",
	});
}

function wrongWith(id: unknown): string | undefined {
	if (typeof id !== "string") return "it must be a string";
	if (id === "") return "it is empty";
	if (id === "." || id === "..") return "it is no name";
	if (id === lockFolderName) return "Streambed's locks lie there";
	if (/[/\\\0]/.test(id)) return "it holds a path separator";
	if (!id.isWellFormed()) return "it is not valid Unicode";
	const bytes = Buffer.byteLength(id);
	return bytes > maxIdBytes ? `it has ${bytes} bytes, the limit is ${maxIdBytes}` : undefined;
}

/** The file name of the block whose first record has this offset. */
export function blockName(streamId: string, firstOffset: number): string {
	return `${streamId}-${firstOffset.toString(16).toUpperCase().padStart(digits, "0")}`;
}

/**
 * Offset of the first record of a block file, or `undefined` if the name is no block's of this stream.
 *
 * @throws UNSUPPORTED beyond 2^53 - 1
 */
export function offsetOfBlock(streamId: string, fileName: string): number | undefined {
	if (!fileName.startsWith(`${streamId}-`)) return undefined;
	const hex = fileName.slice(streamId.length + 1);
	if (!/^[0-9A-F]{16}$/.test(hex)) return undefined;
	const offset = Number.parseInt(hex, 16);
	if (Number.isSafeInteger(offset)) return offset;
	throw fail("UNSUPPORTED", `the block ${fileName} begins beyond offset 2^53 - 1, up to which offsets are exact`);
}

/** The stream's id in a block's name, or `undefined` if it is none. */
export function streamOfBlock(fileName: string): string | undefined {
	return /^(.+)-[0-9A-F]{16}$/s.exec(fileName)?.[1];
}
