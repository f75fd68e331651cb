/** Looks each second whether the folder is still its owner's, and whether the open streams are still where they were. */
import type { Clock, Timer } from "../../core/clock.ts";
import type { Disk } from "../../disk/disk.ts";
import type { Owner } from "../files/owner.ts";
import type { StreamLog } from "./stream-log.ts";

const EVERY_MS = 1000;
/** Streams looked at at the same time. */
const LOOKERS = 8;

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
		const streams = [...this.#host.allStreams()];
		const looker = async (): Promise<void> => {
			for (let stream = streams.pop(); stream !== undefined; stream = streams.pop()) await this.#lookAt(stream);
		};
		await Promise.all(Array.from({ length: LOOKERS }, looker));
		if (!this.#stopped) this.#arm();
	}

	async #lookAt(stream: StreamLog): Promise<void> {
		const looked = await this.#host.disk.stat(stream.path).then(
			(found) => ({ found }),
			() => undefined,
		);
		// An error says nothing: the next look will tell.
		if (looked === undefined) return;
		const { found } = looked;
		stream.identity ??= found?.identity;
		if (found !== undefined && found.identity === stream.identity) return;
		if (!this.#stopped) this.#host.noticeGone(stream);
	}
}
