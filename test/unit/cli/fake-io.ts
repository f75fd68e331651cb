/** A process for tests of the command line: streams in memory, a folder of its own, a held clock. */
import { PassThrough, Readable } from "node:stream";
import type { CliIo } from "../../../src/cli/command.ts";
import { systemClock } from "../../../src/core/clock.ts";

/** What a command was given and what it wrote. */
export interface FakeIo {
	readonly io: CliIo;
	/** All that came on stdout and stderr so far. */
	out(): Buffer;
	err(): string;
}

/** Makes the streams of a process; `input` is what stdin yields, chunk by chunk. */
export function fakeIo(cwd: string, input: Iterable<Uint8Array | string> | Readable = []): FakeIo {
	const out: Buffer[] = [];
	const err: Buffer[] = [];
	const stdout = new PassThrough();
	const stderr = new PassThrough();
	stdout.on("data", (data: Buffer) => out.push(data));
	stderr.on("data", (data: Buffer) => err.push(data));
	const stdin = input instanceof Readable ? input : Readable.from([...input].map((data) => Buffer.from(data)));
	return {
		io: { stdin, stdout, stderr, env: {}, cwd, clock: systemClock },
		out: () => Buffer.concat(out),
		err: () => Buffer.concat(err).toString(),
	};
}
