/** Bits that flip in stored data: nothing wrong is ever delivered, and nothing that is missing looks like an end. */
import { type ByteStream, type Store, StreambedError, verifyStore } from "../../src/index.ts";
import type { CrashDisk } from "../../src/testing/crash-disk.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SCOPE } from "./clients.ts";
import { SimulationFailure } from "./simulation-failure.ts";
import type { StreamModel } from "./stream-model.ts";

/** Flips a few bits in segments and indexes of a closed store; `verify` has to find those in segments. */
export async function flipBits(disk: CrashDisk, root: string, random: SeededRandom): Promise<void> {
	const files = (await filesBelow(disk, `${root}/streams`)).filter((path) => /\.(seg|idx)$/.test(path)).sort();
	if (files.length === 0) return;
	const flipped = new Set<string>();
	for (let left = random.between(1, 3); left > 0; left--) {
		const path = random.pick(files);
		const { size } = (await disk.stat(path)) as { size: number };
		const bit = random.below(size * 8);
		// An index that a crash left empty is one that is made anew.
		if (size === 0 || flipped.has(`${path} ${bit}`)) continue;
		flipped.add(`${path} ${bit}`);
		disk.flip(path, bit);
	}
	const { problems } = await verifyStore(root, { disk });
	for (const flip of flipped) {
		const [path] = flip.split(" ") as [string];
		if (path.endsWith(".idx") || problems.some((problem) => problem.path === path)) continue;
		throw new SimulationFailure(`verify does not find the bit ${flip}`);
	}
}

/** Reads all that can be read of each stream. */
export async function readDamaged(store: Store, models: Iterable<StreamModel>): Promise<void> {
	for (const model of models) {
		try {
			await readStream(store.scope(SCOPE).stream(model.name), model);
		} catch (error) {
			if (!StreambedError.is(error, "STREAMBED_CORRUPT")) throw error;
		}
	}
}

async function readStream(stream: ByteStream, model: StreamModel): Promise<void> {
	const { shards } = await stream.info();
	let at = (shards[0] as { head: number }).head;
	await using reader = stream.reader({ from: { offset: at } });
	for (;;) {
		try {
			// Retention may have dropped what is there meanwhile.
			if (reader.offset !== at) await reader.seek({ offset: at });
			const result = await reader.read();
			if (result.kind !== "data") {
				if (at < model.tail) model.fail(`it ends at ${at} after a bit flipped, the tail is at ${model.tail}`);
				return;
			}
			const { offset, bytes } = result;
			if (offset !== at) model.fail(`a read at ${at} gave bytes from ${offset} on`);
			if (offset + bytes.length > model.tail) model.fail(`bytes were read behind the tail at ${model.tail}`);
			model.sawBytes(offset, bytes, "read after a bit flipped");
			at += bytes.length;
		} catch (error) {
			if (StreambedError.is(error, "STREAMBED_TRUNCATED")) {
				at = (error.details as { head: number }).head;
				model.toldHead(at);
				continue;
			}
			if (!StreambedError.is(error, "STREAMBED_CORRUPT")) throw error;
			const { validAfter } = error.details as { validAfter: number | null };
			if (validAfter === null || validAfter <= at) throw error;
			at = validAfter;
		}
	}
}

async function filesBelow(disk: CrashDisk, path: string): Promise<string[]> {
	const found: string[] = [];
	for (const { name, kind } of await disk.list(path)) {
		if (kind === "folder") found.push(...(await filesBelow(disk, `${path}/${name}`)));
		else found.push(`${path}/${name}`);
	}
	return found;
}
