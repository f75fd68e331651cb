/** The same work with plain calls of `node:fs`: what there is to be had on this disk without any store. */
import * as fs from "node:fs";

/** Writes a buffer again and again at the growing end of a file, each time with a sync. */
export class PlainAppends {
	readonly #fd: number;
	#at = 0;

	constructor(path: string) {
		this.#fd = fs.openSync(path, "wx");
	}

	/** One write and one sync, in the thread pool. */
	append(data: Uint8Array): Promise<void> {
		return new Promise((resolve, reject) => {
			fs.write(this.#fd, data, 0, data.length, this.#at, (error, written) => {
				if (error !== null || written !== data.length) return reject(error ?? new Error("short write"));
				this.#at += written;
				fs.fdatasync(this.#fd, (failed) => (failed ? reject(failed) : resolve()));
			});
		});
	}

	close(): void {
		fs.closeSync(this.#fd);
	}
}

/** Writes a file of so many bytes. */
export function writeFile(path: string, bytes: number): void {
	const fd = fs.openSync(path, "wx");
	const block = Buffer.alloc(1024 * 1024, "plain");
	for (let at = 0; at < bytes; at += block.length) fs.writeSync(fd, block, 0, Math.min(block.length, bytes - at), at);
	fs.fdatasyncSync(fd);
	fs.closeSync(fd);
}

/** Reads a file in blocks, each into new memory, and returns how many bytes there were. */
export async function readFile(path: string, blockBytes: number): Promise<number> {
	const fd = fs.openSync(path, "r");
	try {
		for (let at = 0; ; ) {
			const block = Buffer.allocUnsafeSlow(blockBytes);
			const got = await new Promise<number>((resolve, reject) => {
				fs.read(fd, block, 0, block.length, at, (error, bytes) => (error ? reject(error) : resolve(bytes)));
			});
			if (got === 0) return at;
			at += got;
		}
	} finally {
		fs.closeSync(fd);
	}
}
