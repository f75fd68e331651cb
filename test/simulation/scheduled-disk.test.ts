import { describe, expect, it } from "vitest";
import { crashDisk } from "../../src/testing/crash-disk.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { ScheduledDisk } from "./scheduled-disk.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a scheduled disk", () => {
	it("does nothing before it is chosen, and then one thing at a time, mostly but not always in order", async () => {
		const orders = new Set<string>();
		for (let seed = 0; seed < 300; seed++) {
			const inner = crashDisk({ seed });
			const disk = new ScheduledDisk(inner, () => {});
			const random = new SeededRandom(seed);
			const order: string[] = [];
			for (const name of ["a", "b", "c"]) void disk.mkdir(`/${name}`).then(() => order.push(name));
			await settle();
			expect([disk.waiting, await inner.list("/")]).toEqual([3, []]);
			for (let left = 2; left >= 0; left--) {
				disk.step(random);
				await settle();
				expect(disk.waiting).toBe(left);
			}
			orders.add(order.join(""));
		}
		expect(orders.size).toBe(6);
	});

	it("leaves, when its process dies, each operation done, in part if it is a write, or not; and answers none", async () => {
		const left = new Set<string>();
		for (let seed = 0; seed < 100; seed++) {
			const inner = crashDisk({ seed });
			const file = await inner.open("/a", "create", { durable: true });
			await file.writeDurable(new Uint8Array(4), 0);
			const disk = new ScheduledDisk(inner, () => {});
			const random = new SeededRandom(seed);
			const opening = disk.open("/a", "write", { durable: true });
			disk.step(random);
			const opened = await opening;
			let answered = false;
			void opened.writeDurable([Uint8Array.of(1, 1), Uint8Array.of(1, 1)], 0).finally(() => (answered = true));
			void disk.mkdir("/b").finally(() => (answered = true));
			await disk.die(random);
			await settle();
			expect([answered, disk.waiting]).toEqual([false, 0]);
			const there = (await inner.stat("/b")) !== undefined;
			left.add(`${[...(await inner.readFile("/a"))].join("")} ${there}`);
		}
		for (const outcome of ["0000 false", "0000 true", "1111 false", "1111 true", "1100 true", "1000 false"]) {
			expect(left).toContain(outcome);
		}
	});
});
