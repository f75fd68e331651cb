/**
 * Ways in which a store can be built wrong. Each has to be found by the simulation: a check that finds none of them
 * checks nothing.
 *
 * Some are disks that lie. The others are changes of the source text, made while it is loaded, so that the log itself
 * needs no switch by which it could be broken. Where the text is no longer there, the change has to be written anew.
 */
import { registerHooks } from "node:module";
import type { Disk, DiskFile } from "../../src/disk/disk.ts";
import type { DiskBreaker } from "../../test/simulation/machine.ts";

/** A change of one file below `src/`. */
interface Edit {
	readonly file: string;
	readonly from: string;
	readonly to: string;
}

/** One way; `why` says what is wrong with it. */
interface Break {
	readonly why: string;
	/** The first seed that found it when this was written, if not 1: who looks for one that does begins there. */
	readonly seed?: number;
	readonly disk?: DiskBreaker;
	readonly edits?: readonly Edit[];
}

/** All of them, by name. */
export const breaks: Readonly<Record<string, Break>> = {
	"skip-sync": {
		why: "nothing is ever synced",
		disk: changedFiles((file) => ({ sync: async () => {}, writeDurable: (data, at) => file.write(data, at) })),
	},
	"skip-dirsync": {
		why: "names are never synced",
		disk: (disk) => changed(disk, { syncDir: async () => {} }),
	},
	"ack-early": {
		why: "a round is taken for durable when it has been handed to the operating system; it is synced soon after",
		disk: changedFiles((file) => {
			let late: () => Promise<void> = async () => {};
			return {
				writeDurable: async (data, at) => {
					await late();
					const bytes = new Uint8Array(data instanceof Uint8Array ? data : Buffer.concat(data));
					await file.write(bytes, at);
					late = () => file.writeDurable(bytes, at);
				},
			};
		}),
	},
	"no-checksum": {
		why: "bytes are believed without their checksum",
		edits: [{ file: "log/format/frame.ts", from: "=== header.bodyCrc;", to: ">= 0;" }],
	},
	"torn-round": {
		why: "a round is believed without looking whether all of it is there",
		seed: 27,
		edits: [
			{ file: "log/journal/round.ts", from: " || !bodyHolds(envelope)) return undefined;", to: ") return undefined;" },
		],
	},
	"write-ahead": {
		why: "frames reach their segments before their round is durable",
		seed: 3,
		edits: [
			{
				file: "log/commit/committer.ts",
				from: "? this.#writer.write(place, parts, round.bytes)",
				to: `? (async () => {
					for (const { frames } of round.taken) for (const one of frames) one.chunk.durable = one.at + memoryFrameBytes(one);
					const behind = (this.#host as any).writeBehind;
					behind.add(round.taken.map(({ shard }) => shard), 0);
					await behind.flush();
					await this.#writer.write(place, parts, round.bytes);
				})()`,
			},
		],
	},
	"free-early": {
		why: "a journal file is overwritten while a checkpoint still needs its rounds",
		edits: [{ file: "log/journal/ring.ts", from: "if (file.lastRound === 0 && file.bytes", to: "if (file.bytes" }],
	},
	"stale-round": {
		why: "a round is believed without looking whether it follows on the one before",
		edits: [
			{
				file: "log/journal/journal-walk.ts",
				from: "header.incarnation !== this.#start.incarnation || header.nonce",
				to: "this.#start.nonce",
			},
			{
				file: "log/journal/journal-walk.ts",
				from: "header.number !== this.expected || header.previous !== this.#previous",
				to: "false",
			},
		],
	},
	"show-unsynced": {
		why: "an opening shows what it has redone and not synced",
		edits: [
			{ file: "log/opening/redo.ts", from: "await file.sync();", to: "" },
			{ file: "log/opening/opening.ts", from: "if (isLast || unsynced) await rewrite(disk, round);", to: "" },
		],
	},
	"half-adopt": {
		why: "an opening does not go on with a commit in parts that a crash has cut",
		seed: 5,
		edits: [
			{
				file: "log/opening/redo.ts",
				from: "else if (envelope.kind === EnvelopeKind.adopt) await this.#adopt(envelope);",
				to: "",
			},
		],
	},
	"adopt-unsynced": {
		why: "data in parts is committed before it is durable",
		seed: 6,
		edits: [{ file: "log/staged/staged-data.ts", from: "if (newest !== undefined) this.#syncLater(newest);", to: "" }],
	},
	"show-half": {
		why: "a second process is shown a commit in parts while it is carried out",
		// About one seed in two hundred finds it.
		seed: 244,
		edits: [{ file: "log/segments/shard-files.ts", from: "if ((newest.following ?? 0) === 0) break;", to: "break;" }],
	},
	"forget-producers": {
		why: "an opened stream does not look what its producers have stored",
		edits: [
			{ file: "log/stream-shards.ts", from: "await stream.producers.load(disk, stream.path, stream.id);", to: "" },
			{ file: "log/stream-shards.ts", from: "await stream.producers.load(host.disk, stream.path, stream.id);", to: "" },
		],
	},
	"drop-triples": {
		why: "the journal's rounds are freed before the producers files hold what they say",
		seed: 6,
		edits: [
			{
				file: "log/commit/checkpointer.ts",
				from: "if (!(await producerFiles.write())) throw new Postponed();",
				to: "",
			},
		],
	},
	"skip-triples": {
		why: "an opening leaves the producers files as they are",
		seed: 4,
		edits: [
			{
				file: "log/opening/redo.ts",
				from: "await this.#producers.finish((id) => this.#locate(id));",
				to: "",
			},
		],
	},
	"claim-early": {
		why: "a retry is told that its append is stored while that is only accepted",
		seed: 6,
		edits: [
			{
				file: "log/shards/producer-order.ts",
				from: "afterFrame(by, (error) =>\n\t\terror === undefined ? completion.done(from, to, true, Number.NaN, places) : completion.fail(error),\n\t);",
				to: "void by; queueMicrotask(() => completion.done(from, to, true, Number.NaN, places));",
			},
		],
	},
	"retry-by-key": {
		why: "a retry goes where its key goes by now, and what its producer has stored is looked up there",
		seed: 5,
		edits: [
			{
				file: "stream/records/record-stream.ts",
				from: "const places = stream.placesOf(producer);",
				to: "const places = undefined as readonly ShardPlace[] | undefined;",
			},
			{
				file: "log/shards/shard-log.ts",
				from: 'const verdict = this.owner.producers.check(producer);\n\t\tif (verdict.kind === "new") return undefined;',
				to: `const verdict = this.owner.producers.check(producer);
				const known = (verdict as any).answer ?? (verdict as any).append;
				if (verdict.kind === "new" || (known !== undefined && known.shard !== this.shard)) return undefined;`,
			},
		],
	},
	"grow-unnoted": {
		why: "new shards are used before it is durable that the stream has grown",
		seed: 11,
		edits: [
			{ file: "log/shards/stream-growth.ts", from: "await record(layout);", to: "record(layout).catch(() => {});" },
		],
	},
	"half-atomic": {
		why: "the parts of an atomic append go into the rounds that have room for them, which is little",
		seed: 21,
		edits: [
			{
				file: "log/commit/round-frames.ts",
				from: "ROUND_TARGET_BYTES = 8 * 1024 * 1024",
				to: "ROUND_TARGET_BYTES = 1000",
			},
			{
				file: "log/shards/append-together.ts",
				from: "if (frames.length > 1) addNeed(",
				to: "if (frames.length < 1) addNeed(",
			},
		],
	},
	"merge-early": {
		why: "who reads all shards gets records of a new one before older ones of the same key",
		seed: 11,
		edits: [
			{
				file: "stream/records/growth-gates.ts",
				from: "if (gate.waiting.size === 0) return true;",
				to: "if (gate.waiting.size >= 0) return true;",
			},
		],
	},
	"atomic-past-gate": {
		why: "an append over several shards does not wait for a commit in parts",
		seed: 41,
		edits: [
			{
				file: "log/shards/gate-order.ts",
				from: "if (!gates.some(({ closed }) => closed)) return then();",
				to: "if (gates.length > 0) return then();",
			},
		],
	},
	"reuse-position": {
		why: "an opened stream counts from its head on",
		edits: [
			{
				file: "log/shards/shard-log.ts",
				from: "this.#tail = this.#acceptedTail = Math.max(found.tail, found.state.head);",
				to: "this.#tail = this.#acceptedTail = found.tail - found.state.head;",
			},
		],
	},
	"young-goes": {
		why: "retention takes what has not reached its age",
		seed: 2,
		edits: [{ file: "core/retention.ts", from: "ageNow - ageMs", to: "ageNow - ageMs / 4" }],
	},
	"step-believed": {
		why: "data is old as soon as the wall clock says so",
		seed: 38,
		edits: [
			{
				file: "core/clock-watch.ts",
				from: "if (offset - this.#lowest > CLOCK_STEP_MS) return undefined;",
				to: "return now + offset;",
			},
		],
	},
};

/** Makes the modules that are imported from now on those of a broken build. */
export function loadBroken(name: string): void {
	const edits = breaks[name]?.edits ?? [];
	const missing = new Set(edits);
	registerHooks({
		load(url, context, nextLoad) {
			const loaded = nextLoad(url, context);
			for (const edit of edits) {
				if (!url.endsWith(`/src/${edit.file}`)) continue;
				const text = String(loaded.source);
				if (text.split(edit.from).length !== 2)
					throw new Error(`break ${name}: ${edit.file} does not hold once: ${edit.from}`);
				loaded.source = text.replace(edit.from, () => edit.to);
				missing.delete(edit);
			}
			return loaded;
		},
	});
}

function changed(disk: Disk, changes: Partial<Disk>): Disk {
	return {
		counters: disk.counters,
		open: (path, mode, options) => disk.open(path, mode, options),
		mkdir: (path, options) => disk.mkdir(path, options),
		list: (path) => disk.list(path),
		stat: (path) => disk.stat(path),
		readFile: (path) => disk.readFile(path),
		rename: (from, to) => disk.rename(from, to),
		unlink: (path) => disk.unlink(path),
		rmdir: (path) => disk.rmdir(path),
		syncDir: (path) => disk.syncDir(path),
		freeBytes: (path) => disk.freeBytes(path),
		writable: (path) => disk.writable(path),
		realPath: (path) => disk.realPath(path),
		...changes,
	};
}

function changedFiles(changesOf: (file: DiskFile) => Partial<DiskFile>): DiskBreaker {
	return (disk) =>
		changed(disk, {
			open: async (path, mode, options) => {
				const file = await disk.open(path, mode, options);
				return {
					path: file.path,
					read: (target, at) => file.read(target, at),
					write: (data, at) => file.write(data, at),
					writeDurable: (data, at) => file.writeDurable(data, at),
					sync: () => file.sync(),
					truncate: (length) => file.truncate(length),
					size: () => file.size(),
					close: () => file.close(),
					...changesOf(file),
				};
			},
		});
}
