/** Writes so many bytes to a stream and reads them back; tells the greatest amount of memory that this process had. */
import { open } from "../../src/index.ts";
import { fill } from "../stores.ts";

const [folder = "", bytes = "0", durability = "sync"] = process.argv.slice(2);
const store = await open(`file:${folder}`, { durability: durability === "os" ? "os" : "sync" });
const stream = await store.scope("bench").create("memory");
const began = performance.now();
await fill(stream, Number(bytes), 64 * 1024, 256);
const written = performance.now();
let got = 0;
for await (const block of stream.reader()) got += block.length;
if (got !== Number(bytes)) throw new Error(`read ${got} bytes of ${bytes}`);
const read = performance.now();
await store.close();
console.log(
	JSON.stringify({
		// Kibibytes on all systems.
		maxRssMiB: process.resourceUsage().maxRSS / 1024,
		writeRate: Number(bytes) / 1e3 / (written - began),
		readRate: Number(bytes) / 1e3 / (read - written),
	}),
);
