/**
 * Contents of a file of the overlay: pages that were written, over what is left visible of a file of the base, over
 * zeros.
 *
 *     written pages    ....[ 1 ]....[ 3 ][ 4 ]
 *     base             ================|            visible up to baseBytes
 *     zeros            000000000000000000000000|    up to size
 */
import { assertDurable, assertPosition, type DiskCounters, type DiskFile } from "./disk.ts";
import { systemError } from "./system-error.ts";

/** Bytes per page: small, so that thousands of small files cost little. */
const pageBytes = 4096;

/** Memory for pages, over a whole overlay. */
export interface Space {
	usedBytes: number;
	readonly capacityBytes: number;
}

/** A file as it stands in the tree; any number of handles share it. */
export interface FileNode {
	readonly kind: "file" | "other";
	readonly identity: string;
	/** The file of the base below, if there is one. */
	readonly basePath: string | undefined;
	/** Bytes of the base that show through; never grows. */
	baseBytes: number;
	size: number;
	modifiedMs: number;
	readonly pages: Map<number, Uint8Array>;
	/** Differs from the base. */
	touched: boolean;
	/** Open handles. */
	handles: number;
	/** Has a name; a file without name and handles gives its pages back. */
	linked: boolean;
}

/** Gives the pages of a file from `fromPage` on back. */
export function dropPages(node: FileNode, space: Space, fromPage: number): void {
	for (const index of node.pages.keys()) {
		if (index < fromPage) continue;
		node.pages.delete(index);
		space.usedBytes -= pageBytes;
	}
}

/** What a handle shares with its disk. */
export interface FileContext {
	readonly space: Space;
	readonly counters: DiskCounters;
	now(): number;
	/** Called when the handle has been closed. */
	closed(): void;
}

/** An open file of the overlay. */
export class OverlayFile implements DiskFile {
	readonly path: string;
	readonly #node: FileNode;
	readonly #base: DiskFile | undefined;
	readonly #rights: { readonly write: boolean; readonly durable: boolean };
	readonly #context: FileContext;
	/** Operations under way; they may need the base, which stays open for them. */
	#busy = 0;
	#whenIdle: (() => void) | undefined;
	#closing: Promise<void> | undefined;

	constructor(
		path: string,
		node: FileNode,
		base: DiskFile | undefined,
		rights: { readonly write: boolean; readonly durable: boolean },
		context: FileContext,
	) {
		this.path = path;
		this.#node = node;
		this.#base = base;
		this.#rights = rights;
		this.#context = context;
	}

	read(target: Uint8Array, position: number): Promise<number> {
		return this.#run("read", () => this.#read(target, position));
	}

	write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		return this.#run("write", () => this.#write(data, position));
	}

	writeDurable(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		assertDurable(this.#rights.durable, this.path);
		this.#context.counters.syncs++;
		return this.write(data, position);
	}

	sync(): Promise<void> {
		this.#context.counters.syncs++;
		return this.#run("fdatasync", async () => undefined);
	}

	truncate(length: number): Promise<void> {
		return this.#run("ftruncate", async () => this.#truncate(length));
	}

	size(): Promise<number> {
		return this.#run("fstat", async () => this.#node.size);
	}

	/** Waits for the operations under way; a second call waits for the first. */
	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	async #close(): Promise<void> {
		if (this.#busy > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
		this.#node.handles--;
		this.#context.closed();
		await this.#base?.close();
	}

	async #read(target: Uint8Array, position: number): Promise<number> {
		assertPosition(position, this.path);
		this.#context.counters.reads++;
		const node = this.#node;
		const length = Math.max(0, Math.min(target.byteLength, node.size - position));
		let done = 0;
		while (done < length) {
			const at = position + done;
			const index = Math.floor(at / pageBytes);
			const page = node.pages.get(index);
			if (page !== undefined) {
				const from = at - index * pageBytes;
				const bytes = Math.min(pageBytes - from, length - done);
				target.set(page.subarray(from, from + bytes), done);
				done += bytes;
			} else {
				const bytes = Math.min(this.#unwrittenFrom(index, position + length) - at, length - done);
				await this.#readBase(target.subarray(done, done + bytes), at);
				done += bytes;
			}
		}
		this.#context.counters.readBytes += length;
		return length;
	}

	async #write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		if (!this.#rights.write) throw systemError("EBADF", "write", this.path);
		assertPosition(position, this.path);
		this.#context.counters.writes++;
		let at = position;
		for (const buffer of data instanceof Uint8Array ? [data] : data) {
			await this.#writeBuffer(buffer, at);
			at += buffer.byteLength;
		}
	}

	#truncate(length: number): void {
		if (!this.#rights.write) throw systemError("EINVAL", "ftruncate", this.path);
		assertPosition(length, this.path);
		const node = this.#node;
		if (length < node.size) {
			dropPages(node, this.#context.space, Math.ceil(length / pageBytes));
			node.pages.get(Math.floor(length / pageBytes))?.fill(0, length % pageBytes);
			node.baseBytes = Math.min(node.baseBytes, length);
		}
		node.size = length;
		this.#touch();
	}

	async #writeBuffer(buffer: Uint8Array, position: number): Promise<void> {
		const node = this.#node;
		let done = 0;
		while (done < buffer.byteLength) {
			const at = position + done;
			const index = Math.floor(at / pageBytes);
			const from = at - index * pageBytes;
			const bytes = Math.min(pageBytes - from, buffer.byteLength - done);
			if (!node.pages.has(index)) {
				const shows = index * pageBytes < node.baseBytes && bytes < pageBytes;
				const fresh = new Uint8Array(pageBytes);
				if (shows) await this.#readBase(fresh, index * pageBytes);
				// Another write may have made the page meanwhile.
				if (!node.pages.has(index)) this.#addPage(index, fresh);
			}
			node.pages.get(index)?.set(buffer.subarray(done, done + bytes), from);
			done += bytes;
			node.size = Math.max(node.size, at + bytes);
			this.#context.counters.writtenBytes += bytes;
		}
		if (done > 0) this.#touch();
	}

	#addPage(index: number, page: Uint8Array): void {
		const { space } = this.#context;
		if (space.usedBytes + pageBytes > space.capacityBytes) throw systemError("ENOSPC", "write", this.path);
		space.usedBytes += pageBytes;
		this.#node.pages.set(index, page);
	}

	/** Position of the next written page after a page that is not, or `end`. */
	#unwrittenFrom(index: number, end: number): number {
		if (this.#node.pages.size === 0) return end;
		let next = index + 1;
		while (next * pageBytes < end && !this.#node.pages.has(next)) next++;
		return Math.min(next * pageBytes, end);
	}

	/** Fills `target` with what shows of the base at `position`, and zeros behind it. */
	async #readBase(target: Uint8Array, position: number): Promise<void> {
		const shown = (): number => Math.max(0, Math.min(target.byteLength, this.#node.baseBytes - position));
		const asked = shown();
		const bytes = asked === 0 ? 0 : ((await this.#base?.read(target.subarray(0, asked), position)) ?? 0);
		// The file may have been cut while the base was read.
		target.fill(0, Math.min(bytes, shown()));
	}

	#touch(): void {
		this.#node.touched = true;
		this.#node.modifiedMs = this.#context.now();
	}

	/** Runs one operation and counts it as under way until it ends. */
	async #run<T>(syscall: string, operation: () => Promise<T>): Promise<T> {
		if (this.#closing !== undefined) throw systemError("EBADF", syscall, this.path);
		this.#busy++;
		try {
			return await operation();
		} finally {
			this.#busy--;
			if (this.#busy === 0) this.#whenIdle?.();
		}
	}
}
