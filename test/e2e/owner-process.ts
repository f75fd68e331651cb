/**
 * A process that owns a store and does what it is told, a line of JSON for each command and each answer. Run by tests
 * as a program; imported by them for `startOwner`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { open, type Store, StreambedError } from "../../src/index.ts";

/** What an owner can be told. Streams are of scope `a`. `stamp` appends until `calm`, which answers how many it appended. */
export type Command =
	| { readonly do: "open" }
	| { readonly do: "create"; readonly stream: string; readonly segmentBytes?: number }
	| { readonly do: "append"; readonly stream: string; readonly text: string }
	| { readonly do: "flood"; readonly stream: string }
	| { readonly do: "stamp"; readonly stream: string; readonly everyMs: number }
	| { readonly do: "calm" }
	| { readonly do: "truncate"; readonly stream: string; readonly before: number }
	| { readonly do: "seal"; readonly stream: string }
	| { readonly do: "delete"; readonly stream: string }
	| { readonly do: "checkpoint" }
	| { readonly do: "readFiles"; readonly lock: boolean }
	| { readonly do: "close" };

/** An owner's answer: a number that says something, or the code of an error. */
export interface Answer {
	readonly value?: number;
	readonly error?: string;
}

/** A running owner. */
export interface OwnerProcess {
	tell(command: Command): Promise<number>;
	/** Kills it with SIGKILL and waits until it is gone. */
	kill(): Promise<void>;
	/** Ends it, in whatever state it is. */
	dispose(): Promise<void>;
}

/** Byte at an offset of a flooded stream. */
export function floodByte(offset: number): number {
	return (offset * 31 + (offset >>> 8) * 17 + (offset >>> 16)) & 0xff;
}

/** Starts a process on the store in `folder`; it has opened it when this resolves. */
export async function startOwner(folder: string): Promise<OwnerProcess> {
	const child = spawn(process.execPath, [fileURLToPath(import.meta.url), folder], {
		stdio: ["pipe", "pipe", "inherit"],
	});
	const waiting: ((answer: Answer) => void)[] = [];
	const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
	createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.(JSON.parse(line) as Answer));
	void gone.then(() => {
		for (const answer of waiting.splice(0)) answer({ error: "GONE" });
	});
	child.stdin.on("error", () => {});
	const tell = async (command: Command): Promise<number> => {
		const answer = await new Promise<Answer>((resolve) => {
			waiting.push(resolve);
			child.stdin.write(`${JSON.stringify(command)}\n`);
		});
		if (answer.error !== undefined) throw new Error(answer.error);
		return answer.value ?? Number.NaN;
	};
	const owner = { tell, kill: () => end(child, gone), dispose: () => end(child, gone) };
	try {
		await tell({ do: "open" });
	} catch (error) {
		await owner.dispose();
		throw error;
	}
	return owner;
}

async function end(child: ChildProcess, gone: Promise<void>): Promise<void> {
	if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
	await gone;
}

/** Appends of a flood that are under way at a time. */
const BURST = 16;
const BETWEEN_BURSTS_MS = 20;

class Commanded {
	readonly #folder: string;
	#store: Store | undefined;
	#busy: Promise<void>[] = [];
	#calm = false;
	#stamped = 0;

	constructor(folder: string) {
		this.#folder = folder;
	}

	async obey(command: Command): Promise<number> {
		if (command.do === "open") {
			this.#store = await open(`file:${this.#folder}`);
			return process.pid;
		}
		const store = this.#store as Store;
		const scope = store.scope("a");
		switch (command.do) {
			case "create": {
				const { segmentBytes } = command;
				await scope.create(command.stream, segmentBytes === undefined ? {} : { segmentBytes });
				return 0;
			}
			case "append":
				return (await scope.stream(command.stream).append(Buffer.from(command.text))).to;
			case "flood":
				this.#busy.push(this.#flood(command.stream));
				return 0;
			case "stamp":
				this.#busy.push(this.#stamp(command.stream, command.everyMs));
				return 0;
			case "calm":
				return await this.#becomeCalm();
			case "truncate":
				return await scope.stream(command.stream).truncateBefore(command.before);
			case "seal":
				return await scope.stream(command.stream).seal();
			case "delete":
				await scope.delete(command.stream);
				return 0;
			case "checkpoint":
				await store.checkpoint();
				return 0;
			case "readFiles":
				return await readFiles(this.#folder, command.lock);
			case "close":
				await store.close();
				return 0;
		}
	}

	async #becomeCalm(): Promise<number> {
		this.#calm = true;
		await Promise.all(this.#busy.splice(0));
		this.#calm = false;
		return this.#stamped;
	}

	/**
	 * Appends many at a time, until told to be calm. Between two bursts it leaves the processor to those who look on: what
	 * it appends meanwhile they have to read, copy and compare.
	 */
	async #flood(stream: string): Promise<void> {
		const target = await this.#store?.scope("a").stream(stream).open();
		let at = (await target?.info())?.shards[0]?.tail ?? 0;
		const pending: Promise<unknown>[] = [];
		for (let number = 0; !this.#calm; number++) {
			const bytes = new Uint8Array(1 + ((number * 7919) % 9000));
			for (let index = 0; index < bytes.length; index++) bytes[index] = floodByte(at + index);
			at += bytes.length;
			pending.push(target?.append(bytes) ?? Promise.resolve());
			if (pending.length > BURST) await pending.shift();
			if (number % BURST === 0) await new Promise((resolve) => setTimeout(resolve, BETWEEN_BURSTS_MS));
		}
		await Promise.all(pending);
	}

	/** Appends its number and the time, one after the other and each when the one before is durable, until told to be calm. */
	async #stamp(stream: string, everyMs: number): Promise<void> {
		const target = this.#store?.scope("a").stream(stream);
		while (!this.#calm) {
			await target?.append(Buffer.from(`${this.#stamped} ${Date.now()}\n`));
			this.#stamped++;
			await new Promise((resolve) => setTimeout(resolve, everyMs));
		}
	}
}

/** Reads every file below a folder, and counts them. */
async function readFiles(folder: string, lock: boolean): Promise<number> {
	let files = 0;
	for (const entry of await readdir(folder, { withFileTypes: true })) {
		const path = join(folder, entry.name);
		if (entry.isDirectory()) files += await readFiles(path, lock);
		else if (lock || entry.name !== "LOCK") {
			await readFile(path);
			files++;
		}
	}
	return files;
}

async function main(folder: string): Promise<void> {
	const commanded = new Commanded(folder);
	for await (const line of createInterface({ input: process.stdin })) {
		let answer: Answer;
		try {
			answer = { value: await commanded.obey(JSON.parse(line) as Command) };
		} catch (error) {
			answer = { error: StreambedError.is(error) ? error.code : String(error) };
		}
		process.stdout.write(`${JSON.stringify(answer)}\n`);
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] ?? "");
