/** Opens a store, lists its streams, asks for the bounds of each; tells how long each took and the memory it left. */
import { open } from "../../src/index.ts";

const [folder = "", scopeName = ""] = process.argv.slice(2);
const mib = 1024 * 1024;
const residentMiB = (): number => {
	globalThis.gc?.();
	return process.memoryUsage.rss() / mib;
};
// Code is loaded and warm before anything is measured, as in a process that has been up for a while.
await (await open("memory:")).close();
const before = residentMiB();
const began = performance.now();
const store = await open(`file:${folder}`);
const openMs = performance.now() - began;
const openMiB = residentMiB() - before;
const { disk, recovery } = store.stats();
const scope = store.scope(scopeName);
const listing = performance.now();
const names: string[] = [];
for (let after: string | undefined; ; ) {
	const page = await scope.list(after === undefined ? {} : { after });
	for (const { stream } of page) names.push(stream);
	if (page.length === 0) break;
	after = names.at(-1);
}
const listMs = performance.now() - listing;
const asking = performance.now();
let bytes = 0;
for (const name of names) bytes += (await scope.stream(name).info()).shards[0]?.bytes ?? 0;
const infoMs = performance.now() - asking;
const allMiB = residentMiB() - before;
if (!recovery.clean || names.length === 0 || bytes === 0) throw new Error("the store is not as it should be");
console.log(JSON.stringify({ openMs, openMiB, openReads: disk.reads, listMs, infoMs, allMiB, streams: names.length }));
const closing = performance.now();
await store.close();
console.log(JSON.stringify({ closeMs: performance.now() - closing }));
