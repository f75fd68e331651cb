// Opens a store in a folder, appends to a byte stream, reads it back and follows it. The comments show what it prints.
import { open } from "../src/index.ts";

await using store = await open("file:./data");
const log = await store.scope("demo").ensure("greetings", { kind: "bytes" });

console.log(await log.append(Buffer.from("hello "))); // { from: 0, to: 6, duplicate: false }
console.log(await log.append(Buffer.from("world\n"))); // { from: 6, to: 12, duplicate: false }
for await (const bytes of log.reader()) process.stdout.write(bytes); // hello world

const follower = await log.reader({ from: "tail", follow: true }).open();
await log.append(Buffer.from("and again\n"));
for await (const bytes of follower) {
	process.stdout.write(bytes); // and again
	break; // without it the loop would wait for more
}
