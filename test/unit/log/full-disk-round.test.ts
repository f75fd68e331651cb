/** What has no payload, gathered for one round with an append for which there is no room. */
import { expect, it } from "vitest";
import { faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "./memory-store.ts";

const MiB = 1024 * 1024;

it.each([
	{ where: "on the disk", bytes: 5 * MiB, left: 3 * MiB },
	{ where: "in the journal", bytes: 6 * MiB, left: 100 * MiB },
])(
	"without room $where an append is refused, and truncation, seal, delete and epoch beside it are done",
	async (given) => {
		let free = 100 * MiB;
		const faulty = faultyDisk(memoryDisk());
		const disk = { ...faulty, freeBytes: async () => free };
		const around = surroundings({ disk });
		const { clock } = around;
		const store = await openStore(around);
		const scope = store.scope("s");
		const [a, b, c, d, e] = await drive(
			clock,
			Promise.all([..."abcde"].map((name) => scope.create(name, { segmentBytes: 65_536 }))),
		);
		if (!(a && b && c && d && e)) throw new Error("not made");
		await drive(clock, Promise.all([a, b, c, d, e].map((stream) => stream.append(new Uint8Array(1000)))));
		const old = await drive(clock, d.producer("p"));
		await pass(clock, 500);
		faulty.addRule({ operation: "write", path: /ring-.*tmp$/, code: "ENOSPC", times: Number.POSITIVE_INFINITY });
		free = given.left;
		await pass(clock, 2000);
		const rounds = store.stats().rounds;
		const calls = [
			a.append(new Uint8Array(given.bytes)),
			b.truncateBefore(500),
			c.seal(),
			d.producer("p"),
			scope.delete("e"),
		];
		const told = await drive(clock, Promise.all(calls.map((call) => codeOf(call))));
		expect(told).toEqual(["STREAMBED_DISK_FULL", "fine", "fine", "fine", "fine"]);
		expect(store.stats().rounds).toBeLessThanOrEqual(rounds + 2);
		expect(store.stats().pendingBytes).toBe(0);
		free = 100 * MiB;
		await drive(clock, store.close());
		const again = await openStore(around, false);
		const [truncated, sealed, fenced] = ["b", "c", "d"].map((name) => again.scope("s").stream(name));
		expect((await drive(clock, truncated!.info())).shards[0]).toMatchObject({ head: 500, tail: 1000 });
		expect(await drive(clock, sealed!.info())).toMatchObject({ sealed: true });
		expect(await codeOf(drive(clock, fenced!.append(new Uint8Array(1), { producer: old.next() })))).toBe(
			"STREAMBED_FENCED",
		);
		expect(await codeOf(drive(clock, again.scope("s").stream("e").open()))).toBe("STREAMBED_NOT_FOUND");
		await drive(clock, again.close());
	},
);
