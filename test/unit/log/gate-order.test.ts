/** The order of what is handed over to shards of which some are held back for a while. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GatedShard, inTurn, mustWait } from "../../../src/log/shards/gate-order.ts";
import { ShardGate } from "../../../src/log/shards/shard-gate.ts";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "./memory-store.ts";
import { patterned } from "./pattern.ts";

describe("a gate", () => {
	it("lets those in who waited before anybody whom these let in", () => {
		const gate = new ShardGate();
		const order: string[] = [];
		gate.close();
		gate.enter(() => {
			order.push("a");
			gate.enter(() => order.push("c"));
		});
		gate.enter(() => order.push("b"));
		gate.open();
		expect(order).toEqual(["a", "b", "c"]);
		expect(gate.closed).toBe(false);
	});

	it("keeps the rest waiting when one of them closes it", () => {
		const gate = new ShardGate();
		const order: string[] = [];
		gate.close();
		gate.enter(() => {
			order.push("a");
			gate.close();
		});
		gate.enter(() => order.push("b"));
		gate.open();
		gate.enter(() => order.push("c"));
		expect(order).toEqual(["a"]);
		gate.open();
		expect(order).toEqual(["a", "b", "c"]);
	});

	it("lets in a hundred thousand", () => {
		const gate = new ShardGate();
		const shard = { gate, owner: { producers: { order: new ShardGate() } } };
		let passed = 0;
		gate.close();
		for (let left = 100_000; left > 0; left--) inTurn([shard], left % 2 === 0, () => passed++);
		gate.open();
		expect(passed).toBe(100_000);
		expect(mustWait(shard, true)).toBe(false);
	});
});

describe("calls over several shards", () => {
	it("come in the order in which they were handed over: in each shard, and those of producers everywhere", () => {
		const SHARDS = 4;
		const call = fc.record({
			shards: fc.uniqueArray(fc.nat(SHARDS - 1), { minLength: 1, maxLength: 3 }),
			isProduced: fc.boolean(),
			/** It lets in so many others, as an append does that is refused and gives its room back. */
			leads: fc.nat(2),
		});
		const step = fc.oneof({ arbitrary: call, weight: 4 }, { arbitrary: fc.nat(SHARDS - 1), weight: 1 });
		fc.assert(
			fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
				const producers = { order: new ShardGate() };
				const shards: GatedShard[] = Array.from({ length: SHARDS }, () => ({
					gate: new ShardGate(),
					owner: { producers },
				}));
				const held = new Set<number>();
				const passed: { readonly number: number; readonly on: readonly number[]; readonly isProduced: boolean }[] = [];
				let handedOver = 0;
				const handOver = (on: readonly number[], isProduced: boolean, leads: number): void => {
					const number = handedOver++;
					const its = on.map((index) => shards[index] as GatedShard);
					inTurn(its, isProduced, () => {
						passed.push({ number, on, isProduced });
						for (let left = leads; left > 0; left--) handOver(on, isProduced, 0);
					});
				};
				for (const one of steps) {
					if (typeof one !== "number") handOver(one.shards, one.isProduced, one.leads);
					else if (held.delete(one)) shards[one]?.gate.open();
					else if (shards[one]?.gate.closed === false) {
						held.add(one);
						shards[one]?.gate.close();
					}
				}
				for (const one of held) shards[one]?.gate.open();
				expect(passed.length).toBe(handedOver);
				for (const { gate } of [...shards, { gate: producers.order }]) expect(gate.closed).toBe(false);
				const inOrder = (list: typeof passed): void =>
					expect(list.map(({ number }) => number)).toEqual(list.map(({ number }) => number).sort((a, b) => a - b));
				for (let shard = 0; shard < SHARDS; shard++) inOrder(passed.filter(({ on }) => on.includes(shard)));
				inOrder(passed.filter(({ isProduced }) => isProduced));
			}),
			{ numRuns: 2000 },
		);
	});
});

describe("appends of one caller", () => {
	it.each([false, true])(
		"keep their order where some wait for room and a write in parts is committed meanwhile (a producer's: %s)",
		async (produced) => {
			const disk = faultyDisk(memoryDisk());
			const around = surroundings({ disk, limits: { pendingBytes: 64 * 1024 } });
			const store = await openStore(around);
			const stream = await drive(around.clock, store.scope("s").create("a"));
			const producer = produced ? await drive(around.clock, stream.producer("p")) : undefined;
			const append = (bytes: number) => stream.append(new Uint8Array(bytes), { producer: producer?.next() });
			const parts = stream.writer().multipart();
			await drive(around.clock, parts.write(new Uint8Array(2_000_000)));
			await drive(around.clock, parts.prepare());
			const { promise: held, resolve: go } = Promise.withResolvers<void>();
			disk.addRule({ operation: "writeDurable", path: /\.jnl$/, before: () => held });
			// The first is on its way, the second waits for room; then the commit waits for the first, and holds back the third.
			const appends = [append(60_000), append(10_000)];
			await pass(around.clock, 5);
			const committed = parts.commit();
			await pass(around.clock, 5);
			appends.push(append(1000), append(10));
			await pass(around.clock, 5);
			go();
			const results = await drive(around.clock, Promise.all(appends));
			await drive(around.clock, committed);
			const places = results.map(({ from }) => from);
			expect(places).toEqual([...places].sort((a, b) => a - b));
			await drive(around.clock, store.close());
		},
	);
});

it("what is appended behind a seal that waits at a gate comes behind the seal", async () => {
	const disk = faultyDisk(memoryDisk());
	const around = surroundings({ disk });
	const { clock } = around;
	const store = await openStore(around);
	const stream = await drive(clock, store.scope("s").create("a"));
	const write = stream.writer().multipart();
	for (let piece = 0; piece < 3; piece++) await drive(clock, write.write(patterned(0, 0, 1_000_000)));
	const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
	disk.addRule({ operation: "rename", path: /staged/, before: () => held });
	const commit = write.commit();
	await pass(clock, 200);
	const seal = stream.seal();
	await pass(clock, 20);
	const append = codeOf(stream.append(Uint8Array.of(1)));
	await pass(clock, 20);
	goOn();
	const [, , told] = await drive(clock, Promise.all([commit, seal, append]));
	await drive(clock, store.close());
	expect(told).toBe("STREAMBED_SEALED");
});
