/** Errors as the operating system would report them, for disks that live in memory and for handles used wrongly. */

const meanings: Readonly<Record<string, readonly [errno: number, text: string]>> = {
	ENOENT: [-2, "no such file or directory"],
	EIO: [-5, "i/o error"],
	EBADF: [-9, "bad file descriptor"],
	EACCES: [-13, "permission denied"],
	EEXIST: [-17, "file already exists"],
	ENOTDIR: [-20, "not a directory"],
	EISDIR: [-21, "illegal operation on a directory"],
	EINVAL: [-22, "invalid argument"],
	EMFILE: [-24, "too many open files"],
	ENOSPC: [-28, "no space left on device"],
	EROFS: [-30, "read-only file system"],
	ENOTEMPTY: [-39, "directory not empty"],
	EDQUOT: [-122, "disk quota exceeded"],
};

/** Makes an error shaped like those of `node:fs`: `code`, `errno`, `syscall`, `path`. */
export function systemError(code: string, syscall: string, path: string): NodeJS.ErrnoException {
	const [errno, text] = meanings[code] ?? [-1, "unknown error"];
	return Object.assign(new Error(`${code}: ${text}, ${syscall} '${path}'`), { code, errno, syscall, path });
}

/** Tells whether an error carries one of these codes of the operating system. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
	return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? "");
}

/** Tells whether an error says that there is no space: on the disk, or within somebody's quota. */
export function isFull(error: unknown): boolean {
	const code = (error as { code?: unknown } | null)?.code;
	return code === "ENOSPC" || code === "EDQUOT";
}

/** Tells whether an error says that a file is not there (any more). */
export function isGone(error: unknown): boolean {
	return (error as { code?: unknown } | null)?.code === "ENOENT";
}
