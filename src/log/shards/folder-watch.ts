/**
 * Looks each second whether the folder is still its owner's, and whether the open streams are still where they were.
 * Many streams lie in one folder, and no name in that can go or change its meaning without a trace: while it is as it
 * was, one look at it stands for a look at each.
 */
import { dirname } from "node:path/posix";
import type { Clock, Timer } from "../../core/clock.ts";
import type { Disk } from "../../disk/disk.ts";
import type { Owner } from "../files/owner.ts";
import type { StreamLog } from "./stream-log.ts";

const EVERY_MS = 1000;
/** Folders, or streams, looked at at the same time. */
const LOOKERS = 8;
/** So many looks after a change streams are still looked at one by one: two changes may fall into one tick of the file system's clock. */
const RESTLESS_LOOKS = 3;

/** What is watched, and who hears of it. */
export interface WatchHost {
	readonly disk: Disk;
	readonly clock: Clock;
	readonly owner: Owner;
	/** All streams that are open. */
	allStreams(): Iterable<StreamLog>;
	/** Somebody removed or replaced a stream's folder. */
	noticeGone(stream: StreamLog): void;
	/** The folder is no longer ours. */
	stop(error: unknown): unknown;
}

/** The watch over a store's folder, from its making until it is stopped. */
export class FolderWatch {
	readonly #host: WatchHost;
	#timer: Timer | undefined;
	#stopped = false;
	/** Folders of streams as they were found, and for how many looks they have been so. */
	readonly #folders = new Map<string, { readonly found: string; readonly looks: number }>();

	constructor(host: WatchHost) {
		this.#host = host;
		this.#arm();
	}

	/** Looks no more, and says nothing more of a look that is under way. */
	stop(): void {
		this.#stopped = true;
		this.#timer?.cancel();
	}

	#arm(): void {
		this.#timer = this.#host.clock.setTimer(EVERY_MS, () => void this.#look(), { keepAlive: false });
	}

	async #look(): Promise<void> {
		try {
			await this.#host.owner.check();
		} catch (error) {
			if (!this.#stopped) this.#host.stop(error);
			return;
		}
		const doubtful: StreamLog[] = [];
		const inFolders = Map.groupBy(this.#host.allStreams(), ({ path }) => dirname(path));
		await eachOf([...inFolders], async ([folder, streams]) => {
			const restless = await this.#isRestless(folder);
			for (const stream of streams) if (restless || stream.identity === undefined) doubtful.push(stream);
		});
		for (const folder of this.#folders.keys()) if (!inFolders.has(folder)) this.#folders.delete(folder);
		await eachOf(doubtful, async (stream) => {
			// What could not be looked at has to be looked at next time.
			if (!(await this.#lookAt(stream))) this.#folders.delete(dirname(stream.path));
		});
		if (!this.#stopped) this.#arm();
	}

	/** Looks at a folder; tells whether something may have changed in it that looks at its streams have not seen yet. */
	async #isRestless(folder: string): Promise<boolean> {
		const info = await this.#host.disk.stat(folder).catch(() => undefined);
		const known = this.#folders.get(folder);
		this.#folders.delete(folder);
		if (info?.changed === undefined) return true;
		const found = `${info.identity} ${info.changed}`;
		const looks = known?.found === found ? known.looks + 1 : 0;
		this.#folders.set(folder, { found, looks });
		return looks < RESTLESS_LOOKS;
	}

	/** Tells whether anything could be seen. */
	async #lookAt(stream: StreamLog): Promise<boolean> {
		const looked = await this.#host.disk.stat(stream.path).then(
			(found) => ({ found }),
			() => undefined,
		);
		// An error says nothing: the next look will tell.
		if (looked === undefined) return false;
		const { found } = looked;
		stream.identity ??= found?.identity;
		if (found !== undefined && found.identity === stream.identity) return true;
		if (!this.#stopped) this.#host.noticeGone(stream);
		return true;
	}
}

/** Does something with each of them, with some at the same time. */
async function eachOf<T>(items: T[], work: (item: T) => Promise<void>): Promise<void> {
	const looker = async (): Promise<void> => {
		for (let item = items.pop(); item !== undefined; item = items.pop()) await work(item);
	};
	await Promise.all(Array.from({ length: LOOKERS }, looker));
}
