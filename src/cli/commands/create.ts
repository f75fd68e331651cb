/** `streambed create`: makes a stream. */
import { fail, StreambedError } from "../../core/errors.ts";
import { segmentBytes as segmentRange, shardsMax } from "../../core/limits.ts";
import { describe } from "../../core/options.ts";
import { type Retention, resolveStreamConfig, type StreamOptions } from "../../core/stream-config.ts";
import { type CommandContext, type CommandSpec, type OptionValues, streamArgument, textOption } from "../command.ts";
import { withStream } from "../open-store.ts";
import { formatCount, parseCount, parseDuration, parseSize } from "../units.ts";

/** Makes a stream, and its store if there is none yet. */
export const create: CommandSpec = {
	name: "create",
	section: "Streams",
	summary: "Make a stream",
	purpose: "Make a stream, and its store if there is none yet.",
	args: [streamArgument],
	options: [
		{ flags: "--if-missing", help: "succeed if it exists with the same settings" },
		{ flags: "--kind <kind>", help: "bytes (default) or records" },
		{ flags: "--shards <n>", help: "of records 1 (default) to 4096; of bytes 1" },
		{ flags: "--segment-bytes <size>", help: "size of its files, up to 1GiB (default 64MiB)" },
		{ flags: "--retention <age>", help: "older data goes, younger stays: 7d, 12h" },
		{
			flags: "--retention-bytes <size>",
			help: "data beyond it goes, if not too young",
		},
		{ flags: "--retention-max-bytes <size>", help: "data beyond it goes, however young" },
		{ flags: "--tag <name=value>", help: "a label; may be repeated", repeated: true },
	],
	later: [],
	examples: [
		"streambed create cam/raw",
		"streambed create ./data/shop/orders --kind records --shards 4",
		"streambed create cam/raw --retention 7d --retention-max-bytes 50GiB --json",
	],
	exits: {
		2: "wrong name or option",
		4: "it exists, or exists with other settings",
		6: "another process owns the store, or the disk is full",
		8: "it is unknown whether it was made",
	},
	run,
};

async function run(context: CommandContext, [address = ""]: readonly string[], options: OptionValues): Promise<void> {
	const config = configOf(options);
	// Checked before a store is made for it.
	checkConfig(config);
	const ensure = options.ifMissing === true;
	await withStream(context, address, "create", async ({ store, place, name }) => {
		const scope = store.scope(place.scope);
		const stream = ensure ? await scope.ensure(place.stream, config) : await scope.create(place.stream, config);
		const { id, kind, shards } = await stream.info();
		if (context.global.json) {
			await context.out.json({ scope: place.scope, stream: place.stream, id, kind, shards: shards.length });
		} else {
			const what = shards.length === 1 ? kind : `${kind}, ${formatCount(shards.length)} shards`;
			await context.out.line(`${ensure ? "ready" : "created"} ${name} (${what}) in ${place.store.shown}`);
		}
	});
}

/** Names of the library for what options of this command say. */
const optionOf: Readonly<Record<string, string>> = {
	segmentBytes: "--segment-bytes",
	"retention.ageMs": "--retention",
	"retention.bytes": "--retention-bytes",
	"retention.maxBytes": "--retention-max-bytes",
};

/** Checks the configuration; an error names the option as it was given. @throws INVALID_OPTION */
function checkConfig(config: StreamOptions): void {
	try {
		resolveStreamConfig(config);
	} catch (error) {
		const name = StreambedError.is(error) ? String(error.details.option) : "";
		const option = optionOf[name];
		if (!StreambedError.is(error) || option === undefined) throw error;
		throw fail("INVALID_OPTION", error.message.replace(name, option), { details: { option }, cause: error });
	}
}

function configOf(options: OptionValues): StreamOptions {
	const kind = textOption(options, "kind") ?? "bytes";
	if (kind !== "bytes" && kind !== "records") {
		throw fail("INVALID_OPTION", `--kind must be bytes or records, not ${describe(kind)}`);
	}
	const shards = textOption(options, "shards");
	const segmentBytes = textOption(options, "segmentBytes");
	return {
		kind,
		...(shards === undefined ? {} : { shards: parseCount(shards, "--shards", 1, shardsMax) }),
		...(segmentBytes === undefined ? {} : { segmentBytes: parseSize(segmentBytes, "--segment-bytes", segmentRange) }),
		retention: retentionOf(options),
		...(options.tag === undefined ? {} : { tags: tagsOf(options.tag) }),
	};
}

function retentionOf(options: OptionValues): Retention {
	const age = textOption(options, "retention");
	const bytes = textOption(options, "retentionBytes");
	const maxBytes = textOption(options, "retentionMaxBytes");
	return {
		...(age === undefined ? {} : { ageMs: parseDuration(age, "--retention") }),
		...(bytes === undefined ? {} : { bytes: parseSize(bytes, "--retention-bytes") }),
		...(maxBytes === undefined ? {} : { maxBytes: parseSize(maxBytes, "--retention-max-bytes") }),
	};
}

function tagsOf(given: unknown): Record<string, string> {
	const tags: Record<string, string> = {};
	for (const text of Array.isArray(given) ? given.map(String) : []) {
		const equals = text.indexOf("=");
		if (equals < 1) {
			throw fail("INVALID_OPTION", `--tag must be name=value, not ${describe(text)}`, { details: { option: "--tag" } });
		}
		tags[text.slice(0, equals)] = text.slice(equals + 1);
	}
	return tags;
}
