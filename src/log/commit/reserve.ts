/**
 * Space on the disk: a full one is met before it hurts (docs/commit-protocol.md §9).
 *
 * The reserve is a file that stands for room: it is removed when something has to be written that frees space or that
 * was promised already, and made again when there is room. Appends are refused while less is free than what waits to be
 * written to segments, and the reserve. How much is free is looked at each second, and more often the less it is.
 */
import { join } from "node:path/posix";
import type { Clock, Timer } from "../../core/clock.ts";
import { fail, type StreambedError } from "../../core/errors.ts";
import type { Disk } from "../../disk/disk.ts";
import { isFull } from "../../disk/system-error.ts";
import type { WriteBehind } from "./write-behind.ts";

/** Size of the reserve file. */
const RESERVE_BYTES: number = 1024 * 1024;
/** What is to be free besides: names, headers, indexes. */
const SLACK_BYTES = 256 * 1024;
/** What two rounds hold at most, as a rule: one may be on its way already. */
const ROUND_BYTES = 18 * 1024 * 1024;
const LOOK_MS = 1000;
/** While appends are refused. */
const LOOK_LOW_MS = 250;

/** What the reserve needs of its store. */
export interface ReserveHost {
	readonly root: string;
	readonly disk: Disk;
	readonly clock: Clock;
	readonly stopped: boolean;
	/** Tells how many bytes are durable and not in their segments yet, and brings them there. */
	readonly writeBehind: Pick<WriteBehind, "backlog" | "flush">;
}

/** The reserve of an open store. */
export class Reserve {
	readonly #host: ReserveHost;
	#held = false;
	/** Bytes that were free beyond what is needed, when last looked at, and those that have come since. */
	#spare = Number.POSITIVE_INFINITY;
	#since = 0;
	#low: StreambedError | undefined;
	#timer: Timer | undefined;
	#looking: Promise<void> | undefined;
	#ended = false;

	constructor(host: ReserveHost) {
		this.#host = host;
	}

	/** Why appends are refused for now, if they are. */
	get refusal(): StreambedError | undefined {
		return this.#low;
	}

	/** Makes the reserve where there is room for it, and begins to look. */
	async begin(): Promise<void> {
		const { disk, root } = this.#host;
		this.#held = (await disk.stat(pathOf(root)))?.size === RESERVE_BYTES;
		await this.look();
		this.#arm();
	}

	/** So many bytes have been made durable, and want to be written to segments. */
	note(bytes: number): void {
		this.#since += bytes;
		if (this.#since * 2 >= this.#spare) void this.look();
	}

	/** Tells whether the next round of so many bytes that wait will find room in its segments, by what is known. */
	fits(bytes: number): boolean {
		return this.#since + Math.min(bytes, ROUND_BYTES) <= this.#spare;
	}

	/**
	 * Finds out whether so many more bytes of payload will find room; says why not if they are to be refused. What frees
	 * space has none, and is never refused.
	 */
	async room(bytes: number): Promise<StreambedError | undefined> {
		if (bytes === 0 || this.fits(bytes)) return undefined;
		await this.#host.writeBehind.flush();
		await this.look();
		// One that ran already may have begun before that.
		if (!this.fits(bytes)) await this.look();
		if (this.fits(bytes)) return undefined;
		this.#setLow();
		return this.#low;
	}

	/** Gives the room of the reserve to what has to be written; `false` if it was given already. */
	async giveUp(): Promise<boolean> {
		if (!this.#held) return false;
		this.#held = false;
		// What it gives is for what was promised and for what frees space, not for more.
		this.#setLow();
		// One that cannot be removed gives nothing.
		return await dropReserve(this.#host.disk, this.#host.root).catch(() => false);
	}

	/** Looks how much is free. */
	look(): Promise<void> {
		this.#looking ??= this.#look()
			.catch(() => {})
			.finally(() => {
				this.#looking = undefined;
			});
		return this.#looking;
	}

	/** Looks no more. */
	async stop(): Promise<void> {
		this.#ended = true;
		this.#timer?.cancel();
		await this.#looking;
	}

	async #look(): Promise<void> {
		const { disk, root } = this.#host;
		const before = this.#since;
		// What is written while the system answers may count twice, and never not at all.
		const unwritten = this.#host.writeBehind.backlog;
		const free = await disk.freeBytes(join(root, "journal"));
		this.#since -= before;
		this.#spare = free - unwritten - SLACK_BYTES - (this.#held ? 0 : RESERVE_BYTES);
		if (this.#spare < 0) this.#setLow();
		// Not at the very border, where each append would change it.
		else if (this.#spare >= SLACK_BYTES) this.#low = undefined;
		if (!this.#held && this.#spare >= SLACK_BYTES && !this.#ended) this.#held = await makeReserve(disk, root);
	}

	#setLow(): void {
		const path = this.#host.root;
		this.#low ??= fail("DISK_FULL", `the disk of the store at ${path} has no room for more`, { details: { path } });
	}

	#arm(): void {
		const look = async (): Promise<void> => {
			await this.look();
			if (!this.#ended && !this.#host.stopped) this.#arm();
		};
		this.#timer = this.#host.clock.setTimer(this.#low === undefined ? LOOK_MS : LOOK_LOW_MS, () => void look(), {
			keepAlive: false,
		});
	}
}

/** Removes the reserve of a store; tells whether there was one. */
export async function dropReserve(disk: Disk, root: string): Promise<boolean> {
	const there = (await disk.stat(pathOf(root))) !== undefined;
	if (there) await disk.unlink(pathOf(root));
	return there;
}

function pathOf(root: string): string {
	return join(root, "journal", "reserve");
}

async function makeReserve(disk: Disk, root: string): Promise<boolean> {
	const temporary = `${pathOf(root)}.tmp`;
	try {
		await disk.unlink(temporary);
		const file = await disk.open(temporary, "create");
		await file.write(new Uint8Array(RESERVE_BYTES), 0).finally(() => file.close());
		await disk.rename(temporary, pathOf(root));
		return true;
	} catch (error) {
		await disk.unlink(temporary).catch(() => {});
		if (isFull(error)) return false;
		throw error;
	}
}
