/** What a figure depends on: machine, Node, file system. */
import { readFileSync, realpathSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";

/** Where figures come from. */
export interface Machine {
	readonly cpu: string;
	readonly cores: number;
	readonly memoryGiB: number;
	readonly system: string;
	readonly node: string;
	readonly streambed: string;
	/** Type of the file system that holds the benchmark's folder. */
	readonly fileSystem: string;
}

/** Describes this machine, and the file system of `folder`. */
export function describeMachine(folder: string): Machine {
	const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
	return {
		cpu: cpus()[0]?.model.trim() ?? "unknown",
		cores: availableParallelism(),
		memoryGiB: Math.round(totalmem() / 2 ** 30),
		system: `${type()} ${release()} ${process.arch}`,
		node: process.version,
		streambed: manifest.version,
		fileSystem: fileSystemOf(folder),
	};
}

/** Linux lists what is mounted; elsewhere the number that the system gives has to do. */
function fileSystemOf(folder: string): string {
	try {
		const path = realpathSync(folder);
		return fileSystemAmong(readFileSync("/proc/self/mounts", "utf8"), path) ?? "unknown";
	} catch {
		return `type 0x${statfsSync(folder).type.toString(16)}`;
	}
}

/** Type and options of the deepest mount above `path`, from the text of a mount table. */
export function fileSystemAmong(mounts: string, path: string): string | undefined {
	let best = { length: -1, text: undefined as string | undefined };
	for (const line of mounts.split("\n")) {
		const [, point = "", kind = "", options = ""] = line.split(" ");
		const prefix = point.endsWith("/") ? point : `${point}/`;
		if (point === "" || !`${path}/`.startsWith(prefix) || prefix.length < best.length) continue;
		best = { length: prefix.length, text: `${kind} (${options})` };
	}
	return best.text;
}
