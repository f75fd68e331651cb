/** A file is not there: was its stream removed, or is a part of it missing? */

import type { StreambedError } from "../../core/errors.ts";
import { formatUuid } from "../../core/random.ts";
import type { Disk } from "../../disk/disk.ts";
import { readDescriptor } from "../files/stream-folder.ts";
import { corrupt } from "../format/corruption.ts";
import { notFound } from "../format/log-errors.ts";
import type { ShardLog } from "./shard-log.ts";
import type { StreamLog } from "./stream-log.ts";

/** A missing file of a stream whose folder is still there is looked for so many times before the stream is given up. */
const GONE_TRIES = 20;

/** What happens to streams that lost files. */
export interface LostFilesHost {
	readonly disk: Disk;
	/** Somebody removed the stream's folder: that is a delete. */
	noticeGone(stream: StreamLog): void;
	/** The stream takes no more appends and tells everybody why. */
	letGo(stream: StreamLog, error: StreambedError): void;
}

/** Finds out about missing files of a store. */
export class LostFiles {
	readonly #host: LostFilesHost;
	readonly #tries = new WeakMap<ShardLog, number>();

	constructor(host: LostFilesHost) {
		this.#host = host;
	}

	/** A write met a missing file: it is to be tried again while somebody's `rm -r` may be under way, or the stream is gone. */
	async whileWriting(shard: ShardLog): Promise<"retry" | "skip"> {
		const stream = shard.owner as StreamLog;
		if (!(await this.#isThere(stream))) {
			this.#host.noticeGone(stream);
			return "skip";
		}
		const tries = (this.#tries.get(shard) ?? 0) + 1;
		this.#tries.set(shard, tries);
		if (tries < GONE_TRIES) return "retry";
		this.#host.letGo(stream, corrupt({ path: stream.path, offset: 0, what: "files in it were removed" }));
		return "skip";
	}

	/** A read met a missing file: what to answer. */
	async whileReading(shard: ShardLog, error: unknown): Promise<StreambedError> {
		const stream = shard.owner as StreamLog;
		if (await this.#isThere(stream)) {
			const path = (error as { path?: string }).path ?? stream.path;
			return corrupt({ path, offset: 0, what: "the file is missing" });
		}
		this.#host.noticeGone(stream);
		return notFound(stream.name);
	}

	/** Tells whether the stream's folder is at its place; what cannot be read is not taken for gone. */
	async #isThere(stream: StreamLog): Promise<boolean> {
		try {
			return (await readDescriptor(this.#host.disk, stream.path))?.id === formatUuid(stream.id);
		} catch {
			return true;
		}
	}
}
