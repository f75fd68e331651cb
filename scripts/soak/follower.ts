/** A follower of streams: goes with one for some seconds, then with another, and compares each byte. */
import { type ByteReader, type Store, StreambedError } from "../../src/index.ts";
import { checkBytes, numberOf, SCOPE } from "./soak-stream.ts";

/** Ends of a following that are no failure. */
const ends = ["STREAMBED_NOT_FOUND", "STREAMBED_CLOSED", "STREAMBED_ABORTED"] as const;

/** Follows a stream until it ends, goes away, or the time is over; `compared` hears of the bytes. */
export async function follow(
	store: Store,
	name: string,
	ms: number,
	way: "abort" | "close",
	compared: (bytes: number) => Promise<void> | void,
): Promise<void> {
	const abort = new AbortController();
	const reader = store
		.scope(SCOPE)
		.stream(name)
		.reader({ from: { last: 200_000 }, follow: true, signal: abort.signal });
	const closing = (): void => void reader.close();
	const timer = setTimeout(way === "abort" ? () => abort.abort() : closing, ms);
	try {
		await goWith(reader, numberOf(name), compared);
	} catch (error) {
		if (!ends.some((code) => StreambedError.is(error, code))) throw error;
	} finally {
		clearTimeout(timer);
		await reader.close();
	}
}

async function goWith(
	reader: ByteReader,
	number: number,
	compared: (bytes: number) => Promise<void> | void,
): Promise<void> {
	for (;;) {
		const got = await reader.read().catch(async (error: unknown) => {
			if (!StreambedError.is(error, "STREAMBED_TRUNCATED")) throw error;
			await reader.seek("head");
		});
		if (got === undefined) continue;
		if (got.kind !== "data") return;
		checkBytes(number, got.offset, got.bytes);
		await compared(got.bytes.length);
	}
}
