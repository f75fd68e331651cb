/** A disk that fails where it is told to, and writes down what it was asked to do. */
import type { Disk, DiskFile } from "../disk/disk.ts";
import { systemError } from "../disk/system-error.ts";

/** What a disk and its files can be asked to do. */
export type DiskOperation = Exclude<keyof Disk | keyof DiskFile, "counters" | "path" | "openFiles">;

/** One operation as it was asked for. */
export interface DiskEvent {
	readonly operation: DiskOperation;
	readonly path: string;
}

/** One fault: the `nth` operation that matches, and the `times - 1` after it. */
export interface FaultRule {
	/** All operations if left out. */
	readonly operation?: DiskOperation | readonly DiskOperation[];
	/** Matches the path; for a rename the old one. All paths if left out. */
	readonly path?: RegExp;
	/** Counted from 1 when the rule was added. Default 1. */
	readonly nth?: number;
	/** How many in a row. Default 1; `Infinity` for a disk that stays broken. */
	readonly times?: number;
	/** Fails with this code of the operating system, without doing anything unless `doneBytes` says so. */
	readonly code?: string;
	/** For writes that fail: bytes that reach the disk all the same. */
	readonly doneBytes?: number;
	/** For reads: gives at most so many bytes, as at the end of a file. */
	readonly shortBytes?: number;
	/** Called when the rule strikes, before it does; may wait, which makes an operation hang. */
	readonly before?: () => void | Promise<void>;
}

/** A disk with rules. */
export interface FaultyDisk extends Disk {
	/** What was asked so far, failed or not, in order. */
	readonly events: readonly DiskEvent[];
	/** Adds a rule, which counts from now on; the function takes it away. */
	addRule(rule: FaultRule): () => void;
}

/** Makes a disk that does what `inner` does, except where a rule says otherwise. The first rule that strikes counts. */
export function faultyDisk(inner: Disk, rules: readonly FaultRule[] = []): FaultyDisk {
	const faults = new Faults();
	for (const rule of rules) faults.add(rule);
	const on = <T>(operation: DiskOperation, path: string, run: () => Promise<T>): Promise<T> =>
		faults.around(operation, path, run);
	return {
		events: faults.events,
		addRule: (rule) => faults.add(rule),
		open: (path, mode, options) =>
			on("open", path, async () => new FaultyFile(await inner.open(path, mode, options), faults)),
		mkdir: (path, options) => on("mkdir", path, () => inner.mkdir(path, options)),
		list: (path) => on("list", path, () => inner.list(path)),
		stat: (path) => on("stat", path, () => inner.stat(path)),
		readFile: (path) => on("readFile", path, () => inner.readFile(path)),
		rename: (from, to) => on("rename", from, () => inner.rename(from, to)),
		unlink: (path) => on("unlink", path, () => inner.unlink(path)),
		rmdir: (path) => on("rmdir", path, () => inner.rmdir(path)),
		syncDir: (path) => on("syncDir", path, () => inner.syncDir(path)),
		freeBytes: (path) => on("freeBytes", path, () => inner.freeBytes(path)),
		writable: (path) => on("writable", path, () => inner.writable(path)),
		realPath: (path) => on("realPath", path, () => inner.realPath(path)),
		counters: inner.counters,
	};
}

class Faults {
	readonly events: DiskEvent[] = [];
	readonly #rules = new Set<{ readonly rule: FaultRule; seen: number }>();

	add(rule: FaultRule): () => void {
		const entry = { rule, seen: 0 };
		this.#rules.add(entry);
		return () => void this.#rules.delete(entry);
	}

	/** Notes an operation and returns the rule that strikes it. */
	strike(operation: DiskOperation, path: string): FaultRule | undefined {
		this.events.push({ operation, path });
		let striking: FaultRule | undefined;
		for (const entry of this.#rules) {
			const { rule } = entry;
			if (rule.operation !== undefined && ![rule.operation].flat().includes(operation)) continue;
			if (rule.path !== undefined && path.search(rule.path) < 0) continue;
			entry.seen++;
			const first = rule.nth ?? 1;
			if (entry.seen >= first && entry.seen < first + (rule.times ?? 1)) striking ??= rule;
		}
		return striking;
	}

	async around<T>(operation: DiskOperation, path: string, run: (rule?: FaultRule) => Promise<T>): Promise<T> {
		const rule = this.strike(operation, path);
		// Without a rule the operation starts at once, as it would without this disk.
		if (rule?.before !== undefined) await rule.before();
		if (rule?.code === undefined || rule.doneBytes !== undefined) return run(rule);
		throw systemError(rule.code, operation, path);
	}
}

class FaultyFile implements DiskFile {
	readonly path: string;
	readonly #inner: DiskFile;
	readonly #faults: Faults;

	constructor(inner: DiskFile, faults: Faults) {
		this.path = inner.path;
		this.#inner = inner;
		this.#faults = faults;
	}

	read(target: Uint8Array, position: number): Promise<number> {
		return this.#faults.around("read", this.path, (rule) => {
			const bytes = rule?.shortBytes ?? target.byteLength;
			return this.#inner.read(target.subarray(0, bytes), position);
		});
	}

	write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		return this.#write("write", data, position);
	}

	writeDurable(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
		return this.#write("writeDurable", data, position);
	}

	sync(): Promise<void> {
		return this.#faults.around("sync", this.path, () => this.#inner.sync());
	}

	truncate(length: number): Promise<void> {
		return this.#faults.around("truncate", this.path, () => this.#inner.truncate(length));
	}

	size(): Promise<number> {
		return this.#faults.around("size", this.path, () => this.#inner.size());
	}

	/** Closes the file in any case: a handle left open would be a fault of the test's. */
	close(): Promise<void> {
		const closing = this.#inner.close();
		return this.#faults.around("close", this.path, () => closing);
	}

	#write(
		operation: "write" | "writeDurable",
		data: Uint8Array | readonly Uint8Array[],
		position: number,
	): Promise<void> {
		return this.#faults.around(operation, this.path, async (rule) => {
			if (rule?.code === undefined) return this.#inner[operation](data, position);
			const whole = data instanceof Uint8Array ? data : Buffer.concat(data);
			await this.#inner.write(whole.subarray(0, rule.doneBytes), position);
			throw systemError(rule.code, operation, this.path);
		});
	}
}
