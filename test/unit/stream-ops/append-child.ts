/** A process that opens a stream for append, appends a record, says so, and waits to be killed. */
import { StreamStorageRootFS } from "../../../src/stream-ops/index.ts";
import { encode } from "../../../src/stream-ops/rion/index.ts";

const [, , root = "", id = ""] = process.argv;
const storage = await new StreamStorageRootFS(root).createStreamStorage(id);
await storage.openForAppend();
await storage.append(encode(new Uint8Array(8)));
console.log("appended");
process.stdin.resume();
