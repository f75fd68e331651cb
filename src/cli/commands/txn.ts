/** `streambed txn`: writes in parts that wait for a decision, shown, committed, aborted. */
import { fail } from "../../core/errors.ts";
import { describe } from "../../core/options.ts";
import type { Multipart } from "../../index.ts";
import { type CommandContext, type CommandSpec, streamArgument } from "../command.ts";
import { type OpenStream, withStream } from "../open-store.ts";
import { table } from "../output.ts";
import { formatBytes, formatCount, formatSeconds } from "../units.ts";

/** Decides about writes in parts. */
export const txn: CommandSpec = {
	name: "txn",
	section: "Care",
	summary: "Decide prepared writes",
	purpose:
		"list: the writes in parts of a stream that are neither committed nor aborted.\ncommit: make a prepared one visible, all at one stroke. abort: drop it.\nOpen ones belong to a running program and end with it.",
	args: [
		{ term: "<list|commit|abort>", help: "what to do" },
		streamArgument,
		{ term: "[id]", help: "which write: as list shows it" },
	],
	options: [],
	later: [],
	examples: [
		"streambed txn list cam/raw",
		"streambed txn commit cam/raw 0b9f5e0a-1c52-4b36-9d3c-3f6f0f6b6c11",
		"streambed txn list ./data/cam/raw --json",
	],
	exits: {
		2: "wrong name or option",
		3: "no such stream, or no such write",
		4: "sealed",
		5: "the write is damaged: abort it, or let repair look at it",
		6: "another process owns the store, or the disk is full",
		8: "it is unknown whether it was committed",
	},
	run,
};

async function run(context: CommandContext, [action, address = "", id]: readonly string[]): Promise<void> {
	if (action === "list") {
		if (id !== undefined)
			throw fail("INVALID_OPTION", `txn list takes a stream and no id: ${describe(id)} is too much`);
		await withStream(context, address, "read", (open) => list(context, open));
		return;
	}
	if (action !== "commit" && action !== "abort") {
		throw fail("INVALID_OPTION", `txn can list, commit or abort, not ${describe(action)}`);
	}
	if (id === undefined) {
		throw fail("INVALID_OPTION", `txn ${action} needs the id of a write`, {
			hint: `List them with: streambed txn list ${address}`,
		});
	}
	await withStream(context, address, "write", (open) => decide(context, open, action, id));
}

async function list({ out, global }: CommandContext, { stream, name }: OpenStream): Promise<void> {
	const found = await stream.transactions();
	if (global.json) {
		for (const { id, state, bytes, ageMs, damaged } of found) {
			await out.json({ id, state, bytes, ageMs, ...(damaged ? { damaged } : {}) });
		}
		return;
	}
	if (found.length === 0) return out.say(`no write in parts of ${name} waits for a decision`);
	const rows = found.map(({ id, state, bytes, ageMs, damaged }) => {
		return [id, damaged ? "damaged" : state, formatBytes(bytes), ageMs === null ? "?" : formatSeconds(ageMs)];
	});
	await out.line(table(["ID", "STATE", "SIZE", "AGE"], rows, [2, 3]));
	for (const { id } of found.filter(({ damaged }) => damaged)) {
		out.say(`what says that ${id} is prepared cannot be read: streambed repair mends it or sets it aside,`);
		out.say(`and streambed txn abort ${name} ${id} drops it`);
	}
}

async function decide(
	{ out, global, signal }: CommandContext,
	{ stream, place, name }: OpenStream,
	action: "commit" | "abort",
	id: string,
): Promise<void> {
	const write: Multipart = await stream.resumeTransaction(id);
	const { bytes } = write;
	const told = { scope: place.scope, stream: place.stream, id };
	if (action === "abort") {
		await write.abort();
		if (global.json) await out.json({ ...told, state: "aborted", bytes });
		else await out.line(`aborted ${id} of ${name} with ${formatBytes(bytes)}`);
		return;
	}
	const { from, to } = await write.commit({ signal });
	if (global.json) await out.json({ ...told, state: "committed", bytes, from, to });
	else await out.line(`committed ${formatBytes(bytes)} to ${name}, tail ${formatCount(to)}`);
}
