/** A folder of streams. */
import { fail } from "../core/errors.ts";
import { describe } from "../core/options.ts";
import { checkStreamId, streamOfBlock } from "./block-name.ts";
import { withIoErrors } from "./io-error.ts";
import { resolveStorageOptions, type StreamStorageOptions } from "./storage-options.ts";
import { StreamStorageFS } from "./stream-storage-fs.ts";

/** A folder in which each stream has a folder, named by its id. Texts on Stream Ops also call it StreamStorageFSRoot. */
export class StreamStorageRootFS {
	readonly #folder: string;
	readonly #options: StreamStorageOptions;

	/** @param options how the streams are stored */
	constructor(rootDir: string, options: StreamStorageOptions = {}) {
		if (typeof rootDir !== "string" || rootDir === "") {
			throw fail("INVALID_OPTION", `the folder of streams must be a path, not ${describe(rootDir)}`);
		}
		this.#folder = rootDir.replace(/(?<=.)\/+$/, "");
		this.#options = options;
		resolveStorageOptions(options);
	}

	/** The folder of streams. */
	get rootDir(): string {
		return this.#folder;
	}

	/** Makes the folder of a stream if it is missing, and finds the stream's end. @throws INVALID_NAME, and as `open` */
	async createStreamStorage(streamId: string, blockMaxSize?: number): Promise<StreamStorageFS> {
		return await new StreamStorageFS(
			streamId,
			`${this.#folder}/${checkStreamId(streamId)}`,
			blockMaxSize,
			this.#options,
		).open();
	}

	/** Ids of the streams that hold a block file, in ascending order. */
	async listStreams(): Promise<string[]> {
		const { disk } = resolveStorageOptions(this.#options).shared;
		return await withIoErrors(`listing the streams in ${this.#folder}`, async () => {
			const found: string[] = [];
			for (const { name, kind } of await disk.list(this.#folder)) {
				if (kind !== "folder") continue;
				const entries = await disk.list(`${this.#folder}/${name}`);
				if (entries.some((entry) => entry.kind === "file" && streamOfBlock(entry.name) === name)) found.push(name);
			}
			return found.toSorted();
		});
	}
}
