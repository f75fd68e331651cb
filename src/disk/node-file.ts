/** An open file of the operating system: a raw descriptor with an owner. */
import * as fs from "node:fs";
import { assertDurable, assertPosition, type DiskCounters, type DiskFile } from "./disk.ts";
import { systemError } from "./system-error.ts";
import { type FdIo, readWhole, writeBuffers, writeWhole } from "./transfer.ts";

/** On Linux a write through a descriptor with O_DSYNC returns when it is durable: one call instead of two. */
export const syncsOnWrite: boolean = process.platform === "linux" && fs.constants.O_DSYNC !== undefined;

type Callback<T> = (error: Error | null, value: T) => void;

export class NodeFile implements DiskFile {
	readonly path: string;
	readonly #fd: number;
	readonly #durable: boolean;
	readonly #counters: DiskCounters;
	/** Operations under way. A descriptor closed under one of them could be given to another file meanwhile. */
	#busy = 0;
	#whenIdle: (() => void) | undefined;
	#closing: Promise<void> | undefined;

	constructor(path: string, fd: number, durable: boolean, counters: DiskCounters) {
		this.path = path;
		this.#fd = fd;
		this.#durable = durable;
		this.#counters = counters;
	}

	read(target: Uint8Array, position: number): Promise<number> {
		this.#counters.reads++;
		return this.#run("read", (done) => {
			assertPosition(position, this.path);
			readWhole(fs as FdIo, this.#fd, target, position, (error, bytes) => {
				this.#counters.readBytes += bytes;
				done(error, bytes);
			});
		});
	}

	write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		this.#counters.writes++;
		return this.#run("write", (done) => this.#write(data, position, done));
	}

	writeNow(data: Uint8Array, position: number): void {
		this.#counters.writes++;
		assertPosition(position, this.path);
		if (this.#closing !== undefined) throw systemError("EBADF", "write", this.path);
		try {
			for (let at = 0; at < data.length; ) {
				const written = fs.writeSync(this.#fd, data, at, data.length - at, position + at);
				if (written === 0) throw systemError("EIO", "write", this.path);
				at += written;
				this.#counters.writtenBytes += written;
			}
		} catch (error) {
			throw this.#named(error as NodeJS.ErrnoException);
		}
	}

	writeDurable(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		assertDurable(this.#durable, this.path);
		this.#counters.writes++;
		this.#counters.syncs++;
		return this.#run("write", (done) => {
			this.#write(data, position, (error) => {
				if (error !== null || syncsOnWrite) done(error);
				else fs.fdatasync(this.#fd, done);
			});
		});
	}

	sync(): Promise<void> {
		this.#counters.syncs++;
		return this.#run("fdatasync", (done) => fs.fdatasync(this.#fd, done));
	}

	truncate(length: number): Promise<void> {
		return this.#run("ftruncate", (done) => {
			assertPosition(length, this.path);
			fs.ftruncate(this.#fd, length, done);
		});
	}

	size(): Promise<number> {
		return this.#run("fstat", (done) => {
			fs.fstat(this.#fd, (error, stats) => done(error, stats === undefined ? 0 : stats.size));
		});
	}

	/** Waits for the operations under way, then closes; a second call waits for the first. */
	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	async #close(): Promise<void> {
		if (this.#busy > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
		await new Promise<void>((resolve, reject) => {
			fs.close(this.#fd, (error) => (error ? reject(this.#named(error)) : resolve()));
		});
	}

	#write(data: Uint8Array | readonly Uint8Array[], position: number, done: (error: Error | null) => void): void {
		assertPosition(position, this.path);
		const ended: Callback<number> = (error, bytes) => {
			this.#counters.writtenBytes += bytes;
			done(error);
		};
		const single = data instanceof Uint8Array ? data : data.length === 1 ? data[0] : undefined;
		if (single !== undefined) writeWhole(fs as FdIo, this.#fd, single, position, ended);
		else writeBuffers(fs as FdIo, this.#fd, data as readonly Uint8Array[], position, ended);
	}

	/** Runs one operation and counts it as under way until it calls back. */
	#run<T>(syscall: string, start: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
		if (this.#closing !== undefined) return Promise.reject(systemError("EBADF", syscall, this.path));
		this.#busy++;
		return new Promise<T>((resolve, reject) => {
			const done = (error: Error | null, value?: T): void => {
				this.#busy--;
				if (this.#busy === 0) this.#whenIdle?.();
				if (error) reject(this.#named(error));
				else resolve(value as T);
			};
			try {
				start(done);
			} catch (error) {
				done(error as Error);
			}
		});
	}

	/** Calls on descriptors report no path; people need one. */
	#named(error: NodeJS.ErrnoException): Error {
		if (error.code !== undefined && !error.path) {
			error.path = this.path;
			if (!error.message.includes(this.path)) error.message += ` '${this.path}'`;
		}
		return error;
	}
}
