/**
 * StreamStorageFS as Stream Ops describes it, step by step: three records are appended to a stream, which is closed,
 * reopened and read. Stream Ops for Java opens the folder as well. docs/guide/from-stream-ops.md has its names and
 * ours side by side. Usage: node examples/stream-ops.ts [FOLDER]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StreamStorageRootFS } from "../src/stream-ops/index.ts";
import { decode, encode, unwrapText, wrap } from "../src/stream-ops/rion/index.ts";

const given = process.argv[2];
const streamsRootDir = given ?? (await mkdtemp(join(tmpdir(), "streams-")));

// A stream, by the folder that holds all of them. Of its own it would be: new StreamStorageFS(streamId, streamRootDir)
const streamStorageRootFS = new StreamStorageRootFS(streamsRootDir);
const streamStorageFS = await streamStorageRootFS.createStreamStorage("stream-1");

const rionBytesRecord1 = Uint8Array.of(0x01, 0x08, 0, 1, 2, 3, 4, 5, 6, 7);
const rionBytesRecord2 = Uint8Array.of(0x01, 0x08, 7, 6, 5, 4, 3, 2, 1, 0);
const rionBytesRecord3 = Uint8Array.of(0x01, 0x08, 0, 1, 2, 3, 3, 2, 1, 0);

// Open, append, close
await streamStorageFS.openForAppend();
await streamStorageFS.appendRecord(rionBytesRecord1, 0, rionBytesRecord1.length);
await streamStorageFS.appendRecord(rionBytesRecord2, 0, rionBytesRecord2.length);
await streamStorageFS.appendRecord(rionBytesRecord3, 0, rionBytesRecord3.length);
await streamStorageFS.closeForAppend();
console.log("next offset:", streamStorageFS.nextRecordOffset);

// Reopen. What is appended is exactly one RION field; anything goes into one.
await streamStorageFS.openForAppend();
console.log("an object at", await streamStorageFS.append(encode({ sensor: "t1", celsius: 21.5 })));
console.log("JSON text at", await streamStorageFS.append(wrap('{"sensor":"t1"}')));
await streamStorageFS.closeForAppend();

// Read bytes of a block file
const [storageBlock] = await streamStorageFS.getStorageBlocks();
if (storageBlock === undefined) throw new Error("a stream has at least one block");
const dest = new Uint8Array(1024 * 1024);
const bytesRead1 = await streamStorageFS.readBytes(storageBlock, 0, dest, 0, dest.length);
console.log(`${storageBlock.fileName}: ${bytesRead1} bytes`);
const bytesRead2 = await streamStorageFS.readBytes(storageBlock, bytesRead1, dest, 0, dest.length);
console.log("at its end:", bytesRead2);

// Read records
for await (const { offset, bytes } of streamStorageFS.records()) {
	const text = offset === 4 ? unwrapText(bytes) : JSON.stringify(offset < 3 ? [...bytes.subarray(2)] : decode(bytes));
	console.log(`${offset}: ${text}`);
}

if (given === undefined) await rm(streamsRootDir, { recursive: true });
