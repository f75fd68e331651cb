/**
 * Appends to new streams, says so when all is acknowledged, and stays: to be killed. The journal holds all of it then:
 * no payload is placed, and no checkpoint begins, for which the journal's bound is set to a multiple.
 */
import { open } from "../../src/index.ts";
import { fill } from "../stores.ts";

const [folder = "", scopeName = "", ...numbers] = process.argv.slice(2);
const [bytes = 0, pieceBytes = 0, streams = 1, withProducer = 0] = numbers.map(Number);
const limits = { journalBytes: Math.max(16 * 1024 * 1024, 6 * bytes), directBytes: Number.MAX_SAFE_INTEGER };
const store = await open(`file:${folder}`, { limits });
const scope = store.scope(scopeName);
const made = [];
for (let index = 0; index < streams; index++) made.push(await scope.create(`stream-${index}`));
await store.checkpoint();
await Promise.all(
	made.map(async (stream) => {
		const inFlight = Math.max(1, Math.min(1024, Math.floor((4 * 1024 * 1024) / pieceBytes / streams)));
		const producer = withProducer > 0 ? await stream.producer("bench") : undefined;
		await fill(stream, Math.floor(bytes / streams), pieceBytes, inFlight, producer);
	}),
);
console.log("appended");
for await (const _ of process.stdin);
await store.close();
