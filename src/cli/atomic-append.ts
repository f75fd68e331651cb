/** `append --atomic`: all of the input becomes visible at one stroke, or none of it; with `--prepare`, later. */
import { fail } from "../core/errors.ts";
import type { CommandContext } from "./command.ts";
import type { Input } from "./input.ts";
import type { OpenStream } from "./open-store.ts";
import { Progress } from "./progress.ts";
import { requireBeginning, type TargetStream } from "./target-stream.ts";
import { formatBytes, formatCount, formatSeconds } from "./units.ts";

/** Bytes read at once: a frame. */
const READ_BYTES = 1024 * 1024;

/** What to append, and when it is to be seen. */
export interface AtomicPlan {
	readonly expect: number | undefined;
	/** Not now: a later command decides. */
	readonly prepare: boolean;
}

/** Refuses options that belong to appending chunk by chunk. */
export function refuseBeside(option: string, others: Readonly<Record<string, unknown>>): void {
	for (const [name, value] of Object.entries(others)) {
		if (value === undefined || value === false) continue;
		throw fail("INVALID_OPTION", `${name} cannot be given with ${option}`, {
			hint: `${option} makes one write of the whole input.`,
			details: { option: name },
		});
	}
}

/** Appends all of the input as one write. */
export async function appendAtomic(
	context: CommandContext,
	{ stream, place, name }: OpenStream,
	target: TargetStream,
	input: Input,
	{ expect, prepare }: AtomicPlan,
): Promise<void> {
	const { out, global, signal } = context;
	const quiet = global.quiet || input.isTyped;
	const progress = new Progress(context, "append", input.totalBytes, quiet);
	await using writer = stream.writer();
	await using write = writer.multipart();
	const begin = async (): Promise<void> => {
		if (target.missing) requireBeginning(name, { expect, producer: undefined });
		await target.make();
	};
	try {
		for await (const chunk of input.chunks(READ_BYTES, signal)) {
			await begin();
			await write.write(chunk);
			progress.update(write.bytes);
		}
		await begin();
	} finally {
		progress.stop();
	}
	const told = { scope: place.scope, stream: place.stream };
	const time = progress.elapsedMs >= 500 ? ` in ${formatSeconds(progress.elapsedMs)}` : "";
	if (prepare) {
		const id = await write.prepare();
		const { bytes } = write;
		if (global.json) await out.json({ ...told, id, state: "prepared", bytes });
		else await out.line(id);
		out.say(`prepared ${formatBytes(bytes)}${time}; make it visible with: streambed txn commit ${name} ${id}`);
		return;
	}
	const { from, to } = await write.commit({ expect, signal });
	if (global.json) await out.json({ ...told, appends: 1, from, to });
	out.say(`appended ${formatBytes(to - from)} to ${name} at one stroke${time}, tail ${formatCount(to)}`);
}
