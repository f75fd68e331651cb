/**
 * A disk whose operations wait until they are chosen: whoever holds it decides the order in which they happen, and may
 * let a process die between any two of them, or in the middle of some.
 */
import type { Disk, DiskCounters, DiskFile, MkdirOptions } from "../../src/disk/disk.ts";
import { systemError } from "../../src/disk/system-error.ts";
import type { DiskOperation } from "../../src/testing/faulty-disk.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";

/** An operation that was asked for and has not happened. */
interface Asked {
	readonly operation: DiskOperation;
	readonly path: string;
	/** Does it and answers. */
	run(): void;
	/** Answers with an error. */
	fail(error: Error): void;
	/** Does some of it, for a process that is no longer there to hear of it; nothing if nothing can be seen of it. */
	readonly leave: ((random: SeededRandom) => Promise<unknown>) | undefined;
}

/** What goes wrong with a disk, once or from then on. */
export interface DiskFault {
	readonly code: "EIO" | "ENOSPC";
	/** Operations before it. */
	after: number;
	/** How many fail. */
	times: number;
}

/** What may need room on a full disk. */
const needRoom: readonly DiskOperation[] = ["write", "writeDurable", "mkdir", "rename", "sync", "syncDir"];

/** Hears of each operation when it happens. */
export type DiskWitness = (operation: DiskOperation, path: string, bytes: number) => void;

/** The disk of one process. */
export class ScheduledDisk implements Disk {
	readonly counters: DiskCounters;
	readonly #inner: Disk;
	readonly #witness: DiskWitness;
	readonly #waiting: Asked[] = [];
	/** Operations that were ever asked for. */
	asked = 0;
	/** What is going to fail. */
	fault: DiskFault | undefined;

	constructor(inner: Disk, witness: DiskWitness) {
		this.#inner = inner;
		this.#witness = witness;
		this.counters = inner.counters;
	}

	/** Operations that wait. */
	get waiting(): number {
		return this.#waiting.length;
	}

	/** Tells whether an operation on such a path waits. */
	waitsFor(path: RegExp): boolean {
		return this.#waiting.some((asked) => path.test(asked.path));
	}

	/** Does one of the operations that wait, the oldest as a rule. */
	step(random: SeededRandom): void {
		const oldest = random.chance(0.6);
		const index = oldest ? 0 : random.below(this.#waiting.length);
		const [chosen] = this.#waiting.splice(index, 1);
		if (chosen === undefined) return;
		if (this.#fails(chosen.operation)) this.#fail(chosen, random);
		else chosen.run();
	}

	#fails(operation: DiskOperation): boolean {
		const { fault } = this;
		if (fault === undefined || fault.times === 0) return false;
		// A handle is closed in any case.
		if (operation === "close" || (fault.code === "ENOSPC" && !needRoom.includes(operation))) return false;
		if (fault.after > 0) fault.after--;
		else {
			fault.times--;
			return true;
		}
		return false;
	}

	/** Fails; of a write some may have been done. */
	#fail({ operation, path, leave, fail }: Asked, random: SeededRandom): void {
		const code = (this.fault as DiskFault).code;
		this.#witness(operation, `${code} ${path}`, -1);
		const partly = operation === "write" || operation === "writeDurable" ? leave?.(random) : undefined;
		void Promise.resolve(partly)
			.catch(() => {})
			.then(() => fail(systemError(code, operation, path)));
	}

	/** The process dies: of the operations that wait each has been done, in part if it is a write, or not. None is answered. */
	async die(random: SeededRandom): Promise<void> {
		for (const { operation, path, leave } of this.#waiting.splice(0)) {
			if (leave === undefined || random.chance(0.5)) continue;
			this.#witness(operation, path, -1);
			// What fails leaves nothing.
			await leave(random).catch(() => {});
		}
	}

	/** Makes an operation wait. */
	ask<T>(
		operation: DiskOperation,
		path: string,
		bytes: number,
		run: () => Promise<T>,
		leave?: (random: SeededRandom) => Promise<unknown>,
	): Promise<T> {
		this.asked++;
		return new Promise((resolve, reject) => {
			const start = (): void => {
				this.#witness(operation, path, bytes);
				run().then(resolve, reject);
			};
			this.#waiting.push({ operation, path, run: start, fail: reject, leave });
		});
	}

	open(path: string, mode: "read" | "write" | "create", options?: { readonly durable?: boolean }): Promise<DiskFile> {
		const open = (): Promise<DiskFile> => this.#inner.open(path, mode, options);
		return this.ask(
			"open",
			path,
			0,
			async () => new ScheduledFile(await open(), this),
			mode === "create" ? open : undefined,
		);
	}

	mkdir(path: string, options?: MkdirOptions): Promise<void> {
		return this.#askChange("mkdir", path, () => this.#inner.mkdir(path, options));
	}

	list(path: string): ReturnType<Disk["list"]> {
		return this.ask("list", path, 0, () => this.#inner.list(path));
	}

	stat(path: string): ReturnType<Disk["stat"]> {
		return this.ask("stat", path, 0, () => this.#inner.stat(path));
	}

	readFile(path: string): Promise<Uint8Array> {
		return this.ask("readFile", path, 0, () => this.#inner.readFile(path));
	}

	rename(from: string, to: string): Promise<void> {
		return this.#askChange("rename", from, () => this.#inner.rename(from, to));
	}

	unlink(path: string): Promise<void> {
		return this.#askChange("unlink", path, () => this.#inner.unlink(path));
	}

	rmdir(path: string): Promise<void> {
		return this.#askChange("rmdir", path, () => this.#inner.rmdir(path));
	}

	syncDir(path: string): Promise<void> {
		return this.ask("syncDir", path, 0, () => this.#inner.syncDir(path));
	}

	freeBytes(path: string): Promise<number> {
		return this.ask("freeBytes", path, 0, () => this.#inner.freeBytes(path));
	}

	writable(path: string): Promise<boolean> {
		return this.ask("writable", path, 0, () => this.#inner.writable(path));
	}

	realPath(path: string): Promise<string> {
		return this.ask("realPath", path, 0, () => this.#inner.realPath(path));
	}

	#askChange(operation: DiskOperation, path: string, run: () => Promise<void>): Promise<void> {
		return this.ask(operation, path, 0, run, run);
	}
}

class ScheduledFile implements DiskFile {
	readonly path: string;
	readonly #inner: DiskFile;
	readonly #disk: ScheduledDisk;

	constructor(inner: DiskFile, disk: ScheduledDisk) {
		this.path = inner.path;
		this.#inner = inner;
		this.#disk = disk;
	}

	read(target: Uint8Array, position: number): Promise<number> {
		return this.#disk.ask("read", this.path, target.byteLength, () => this.#inner.read(target, position));
	}

	write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		return this.#write("write", data, position);
	}

	writeDurable(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		return this.#write("writeDurable", data, position);
	}

	sync(): Promise<void> {
		return this.#disk.ask("sync", this.path, 0, () => this.#inner.sync());
	}

	truncate(length: number): Promise<void> {
		const run = (): Promise<void> => this.#inner.truncate(length);
		return this.#disk.ask("truncate", this.path, length, run, run);
	}

	size(): Promise<number> {
		return this.#disk.ask("size", this.path, 0, () => this.#inner.size());
	}

	close(): Promise<void> {
		return this.#disk.ask("close", this.path, 0, () => this.#inner.close());
	}

	#write(
		operation: "write" | "writeDurable",
		data: Uint8Array | readonly Uint8Array[],
		position: number,
	): Promise<void> {
		const buffers = data instanceof Uint8Array ? [data] : data;
		const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
		return this.#disk.ask(
			operation,
			this.path,
			bytes,
			() => this.#inner[operation](data, position),
			// A synced write whose sync never ended is one without.
			(random) => {
				const share = random.chance(0.5) ? 1 : random.fraction();
				return this.#inner.write(Buffer.concat(buffers).subarray(0, Math.floor(share * bytes)), position);
			},
		);
	}
}
