/** Appends to a stream, says so when all is acknowledged, and stays: to be killed, or ended by its input's end. */
import { open } from "../../src/index.ts";
import { fill } from "../stores.ts";

const [folder = "", name = "", bytes = "0", durability = "sync"] = process.argv.slice(2);
const store = await open(`file:${folder}`, { durability: durability === "os" ? "os" : "sync" });
await fill(store.scope("bench").stream(name), Number(bytes), 64 * 1024, 16);
console.log("appended");
for await (const _ of process.stdin);
await store.close();
