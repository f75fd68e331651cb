/** All streams of a store, a page at a time, so that memory does not grow with their number. */
import { StreambedError } from "../core/errors.ts";
import { formatAddress } from "../core/names.ts";
import type { Store, StreamInfo, StreamSummary } from "../index.ts";

/** Streams asked for at a time. */
const pageSize = 500;
/** Streams looked into at the same time. */
const atOnce = 16;

/** The streams whose `scope/stream` begins with `prefix`. */
export async function* streamPages(store: Store, prefix: string): AsyncGenerator<readonly StreamSummary[]> {
	let after: string | undefined;
	for (;;) {
		const query = { limit: pageSize, ...(prefix === "" ? {} : { prefix }), ...(after === undefined ? {} : { after }) };
		const page = await store.list(query);
		if (page.length > 0) yield page;
		const last = page.at(-1);
		if (last === undefined || page.length < pageSize) return;
		after = formatAddress(last);
	}
}

/** Infos of a page, without the streams that were deleted meanwhile. */
export async function streamInfos(store: Store, page: readonly StreamSummary[]): Promise<StreamInfo[]> {
	const infos: StreamInfo[] = [];
	for (let i = 0; i < page.length; i += atOnce) {
		const some = page.slice(i, i + atOnce).map(async ({ scope, stream, kind }) => {
			try {
				return await store.scope(scope).stream(stream, { kind }).info();
			} catch (error) {
				if (StreambedError.is(error, "STREAMBED_NOT_FOUND")) return undefined;
				throw error;
			}
		});
		for (const info of await Promise.all(some)) if (info !== undefined) infos.push(info);
	}
	return infos;
}
