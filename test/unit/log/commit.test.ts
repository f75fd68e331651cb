/** Rounds: how many syncs there are, what waits for what, and what a bound holds back. */
import { describe, expect, it } from "vitest";
import { type FaultyDisk, faultyDisk } from "../../../src/testing/faulty-disk.ts";
import { memoryDisk } from "../../../src/testing/memory-disk.ts";
import { codeOf, drive, openStore, pass, surroundings } from "./memory-store.ts";
import { patterned } from "./pattern.ts";

function roundsWritten(disk: FaultyDisk): number {
	return disk.events.filter(({ operation, path }) => operation === "writeDurable" && path.endsWith(".jnl")).length;
}

/** A gate for `before` of a rule: operations wait at it until it is opened. */
function gate(): { readonly wait: () => Promise<void>; readonly reached: Promise<void>; open(): void } {
	let open: () => void = () => {};
	let reach: () => void = () => {};
	const opened = new Promise<void>((resolve) => (open = resolve));
	const reached = new Promise<void>((resolve) => (reach = resolve));
	return {
		reached,
		open,
		wait: () => {
			reach();
			return opened;
		},
	};
}

describe("a round", () => {
	it("makes all appends of one moment durable with one sync", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a"));
		const before = roundsWritten(disk);
		const appends = Array.from({ length: 100 }, (_, index) => stream.append(patterned(0, index * 10, 10)));
		const results = await drive(around.clock, Promise.all(appends));
		expect(results.map(({ from }) => from)).toEqual(Array.from({ length: 100 }, (_, index) => index * 10));
		expect(roundsWritten(disk) - before).toBe(1);
		await drive(around.clock, store.close());
	});

	it("holds the appends of many streams", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const store = await openStore(around);
		const names = Array.from({ length: 50 }, (_, index) => `s${index}`);
		const streams = await drive(around.clock, Promise.all(names.map((name) => store.scope("s").create(name))));
		const before = roundsWritten(disk);
		await drive(around.clock, Promise.all(streams.map((stream) => stream.append(new Uint8Array(100)))));
		expect(roundsWritten(disk) - before).toBe(1);
		await drive(around.clock, store.close());
	});

	it("gathers what arrives while the one before is being written", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a"));
		const { wait, reached, open } = gate();
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, before: wait });
		const before = roundsWritten(disk);
		const first = stream.append(new Uint8Array(1));
		await drive(around.clock, reached);
		let shown = false;
		const rest = Array.from({ length: 20 }, () => stream.append(new Uint8Array(1)));
		void first.then(() => (shown = true));
		await pass(around.clock, 50);
		expect(shown).toBe(false);
		expect((await stream.info()).shards[0]?.tail).toBe(0);
		open();
		await drive(around.clock, Promise.all([first, ...rest]));
		expect(roundsWritten(disk) - before).toBe(2);
		await drive(around.clock, store.close());
	});
});

describe("the bound on what is pending", () => {
	it("holds appends back in their order and never accepts more", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk, limits: { pendingBytes: 64 * 1024 } });
		const store = await openStore(around);
		const stream = await drive(around.clock, store.scope("s").create("a"));
		const { wait, reached, open } = gate();
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, before: wait });
		const appends = Array.from({ length: 40 }, (_, index) => stream.append(patterned(0, index * 10_000, 10_000)));
		await drive(around.clock, reached);
		expect(store.stats().pendingBytes).toBe(60_000);
		open();
		const results = await drive(around.clock, Promise.all(appends));
		expect(results.map(({ from }) => from)).toEqual(Array.from({ length: 40 }, (_, index) => index * 10_000));
		expect(store.stats().pendingBytes).toBe(0);
		await drive(around.clock, store.close());
	});

	it("is given back when a stream is deleted under appends that are in no round yet", async () => {
		const disk = faultyDisk(memoryDisk());
		const around = surroundings({ disk });
		const store = await openStore(around);
		const scope = store.scope("s");
		const stream = await drive(around.clock, scope.create("a"));
		const { wait, reached, open } = gate();
		disk.addRule({ operation: "writeDurable", path: /\.jnl$/, before: wait });
		const deleted = scope.delete("a");
		await drive(around.clock, reached);
		const lost = codeOf(stream.append(new Uint8Array(5000)));
		await pass(around.clock, 20);
		open();
		await drive(around.clock, deleted);
		expect(await lost).toBe("STREAMBED_NOT_FOUND");
		expect(store.stats().pendingBytes).toBe(0);
		await drive(around.clock, store.close());
	});
});

describe("creating and deleting beside one another", () => {
	it("keeps what was created when the last neighbour is deleted at the same moment", async () => {
		const around = surroundings();
		const store = await openStore(around);
		const scope = store.scope("s");
		for (let turn = 0; turn < 20; turn++) {
			await drive(around.clock, scope.create(`deep/gone-${turn}`));
			const creating = scope.create(`deep/kept-${turn}`);
			await drive(around.clock, Promise.all([creating, scope.delete(`deep/gone-${turn}`)]));
			await drive(around.clock, (await creating).append(new Uint8Array(3)));
			expect((await drive(around.clock, scope.list())).map(({ stream }) => stream)).toEqual([`deep/kept-${turn}`]);
			await drive(around.clock, scope.delete(`deep/kept-${turn}`));
		}
		await drive(around.clock, store.close());
	});
});
