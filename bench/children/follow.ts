/** Follows a stream whose appends hold the time of their making; prints how long each took to be seen here, in ms. */
import { open } from "../../src/index.ts";
import { stampBytes, stampedMs } from "../time-stamp.ts";

const [folder = "", name = ""] = process.argv.slice(2);
const store = await open(`file:${folder}`, { mode: "read" });
const ended = new AbortController();
process.stdin.on("end", () => ended.abort()).resume();
const reader = store.scope("bench").stream(name).reader({ from: "tail", follow: true, signal: ended.signal });
await reader.open();
console.log("ready");
try {
	for (;;) {
		const result = await reader.read();
		if (result.kind !== "data") break;
		const now = process.hrtime.bigint();
		for (let at = 0; at + stampBytes <= result.bytes.length; at += stampBytes) {
			console.log(String(stampedMs(result.bytes, at, now)));
		}
	}
} catch (error) {
	if (!ended.signal.aborted) throw error;
}
await store.close();
