/**
 * Pravega's byte client, step by step: write to segment 0 of a stream, truncate and seal it, read the rest.
 * docs/guide/from-pravega.md has its names and ours side by side. Usage: node examples/pravega-bytes.ts [STORE]
 */
import { type ByteStream, open, type Store } from "../src/index.ts";

/** Understands Pravega's `scope/stream/segment`. A byte stream has one segment, so the number can only be 0. */
async function segmentStream(store: Store, address: string): Promise<ByteStream> {
	const [, scope, name, segment] = /^([^/]+)\/(.+)\/(\d+)$/.exec(address) ?? [];
	if (scope === undefined || name === undefined) throw new TypeError(`not scope/stream/segment: ${address}`);
	if (segment !== "0") throw new RangeError(`a byte stream has segment 0 only, not ${segment}`);
	return store.scope(scope).stream(name);
}

await using store = await open(process.argv[2] ?? "memory:");
await store.scope("myscope").create("mystream", { kind: "bytes" });
console.log("created myscope/mystream");

// Write
const stream = await segmentStream(store, "myscope/mystream/0");
const writer = stream.writer();
console.log("tail:", await writer.seekToTail());
const { offset, durable } = await writer.write(Buffer.from("hello world"));
await writer.flush();
const { from, to } = await durable;
console.log(`wrote 11 bytes at ${offset}, durable from ${from} to ${to}`);
await writer.close();

// Truncate: what lies before offset 4 can't be read any more, offsets stay as they are.
console.log("head after truncation:", await stream.truncateBefore(4));

// Seal: from now on the stream can only be read.
console.log("sealed at:", await stream.seal());

// Read from the current head, four bytes at a time, to the end.
await using reader = stream.reader({ from: "head" });
const buffer = new Uint8Array(4);
for (;;) {
	const read = await reader.readInto(buffer);
	if (read.kind !== "data") {
		console.log("outcome:", read.kind);
		break;
	}
	console.log(
		`read ${read.bytes.length} bytes at ${read.offset}: ${JSON.stringify(Buffer.from(read.bytes).toString())}`,
	);
}
