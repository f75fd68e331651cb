/** Cases: what a manifest promises is there, what it denies is refused; what a persistent engine keeps. */
import type { StreamOptions } from "../../core/stream-config.ts";
import type { ByteStream } from "../../stream/bytes/byte-stream.ts";
import type { RecordStream } from "../../stream/records/record-stream.ts";
import { bytesOf, concat, pattern, type Suite } from "./context.ts";

const KiB = 1024;

/** Registers the cases that every engine has, as its manifest says. */
export function manifestCases(suite: Suite): void {
	const { expect } = suite;
	const { manifest } = suite.engine;

	suite.case(
		"the store shows the manifest that the engine was tested with, and one of its durabilities",
		async ({ store }) => {
			expect(store.manifest).toEqual(manifest);
			expect(manifest.durability).toContain(store.durability);
		},
	);

	suite.case("streams of a kind that the manifest denies are UNSUPPORTED", async ({ store }) => {
		const scope = store.scope("suite");
		for (const kind of ["bytes", "records"] as const) {
			const making = scope.create(`kind-${kind}`, { kind });
			if (manifest.kinds.includes(kind)) expect((await (await making).info()).kind).toBe(kind);
			else {
				await suite.fails(making, "STREAMBED_UNSUPPORTED", { kind });
				expect(await scope.list({ prefix: `kind-${kind}` })).toEqual([]);
			}
		}
	});

	suite.case(
		"retention that the manifest denies is UNSUPPORTED, when made and when changed",
		async ({ store, stream }) => {
			const options: StreamOptions = { retention: { ageMs: 60_000 } };
			const making = store.scope("suite").create("kept", options);
			if (manifest.retention) {
				expect((await (await making).info()).retention).toEqual(options.retention);
				return;
			}
			await suite.fails(making, "STREAMBED_UNSUPPORTED");
			await suite.fails(store.scope("suite").stream("kept").info(), "STREAMBED_NOT_FOUND");
			await suite.fails(stream.update({ retention: { bytes: 1000 } }), "STREAMBED_UNSUPPORTED");
			expect((await stream.update({ retention: {} })).retention).toEqual({});
			if (!manifest.kinds.includes("records")) return;
			const records = await store.scope("suite").create("records", { kind: "records" });
			await suite.fails(records.update({ retention: { bytes: 1000 } }), "STREAMBED_UNSUPPORTED");
			expect((await records.info()).retention).toEqual({});
		},
	);

	suite.case(
		"producers that the manifest denies are UNSUPPORTED, for appends and writers",
		async ({ store, stream }) => {
			if (manifest.producers) return;
			const producer = { id: "p", epoch: 0, sequence: 0 };
			await suite.fails(stream.append(bytesOf("a"), { producer } as object), "STREAMBED_UNSUPPORTED");
			suite.throws(() => stream.writer({ producer } as object), "STREAMBED_UNSUPPORTED");
			await suite.fails(stream.producer("p"), "STREAMBED_UNSUPPORTED");
			await unchanged(suite, stream);
			if (!manifest.kinds.includes("records")) return;
			const records = await store.scope("suite").create("records", { kind: "records" });
			await suite.fails(records.append({ value: bytesOf("a") }, { producer }), "STREAMBED_UNSUPPORTED");
			suite.throws(() => records.writer({ producer }), "STREAMBED_UNSUPPORTED");
			await suite.fails(records.producer("p"), "STREAMBED_UNSUPPORTED");
			await unchanged(suite, records);
		},
	);

	suite.case("multi-part writes that the manifest denies are UNSUPPORTED", async ({ store, stream }) => {
		if (manifest.multipart) return;
		await using writer = stream.writer();
		suite.throws(() => writer.multipart(), "STREAMBED_UNSUPPORTED");
		const id = "01234567-89ab-cdef-0123-456789abcdef";
		await suite.fails(stream.resumeTransaction(id), "STREAMBED_UNSUPPORTED");
		expect(await stream.transactions()).toEqual([]);
		await unchanged(suite, stream);
		if (!manifest.kinds.includes("records")) return;
		const records = await store.scope("suite").create("records", { kind: "records" });
		suite.throws(() => records.multipart(), "STREAMBED_UNSUPPORTED");
		await unchanged(suite, records);
	});

	suite.case("positions have no holes where the manifest says so", async ({ stream }) => {
		let last = 0;
		for (let round = 0; round < 10; round++) {
			await suite.fails(stream.append(bytesOf("x"), { expect: 10 ** 9 }), "STREAMBED_POSITION_MISMATCH");
			const { from, to } = await stream.append(pattern(round + 1));
			if (manifest.densePositions) expect(from).toBe(last);
			expect(from).toBeGreaterThanOrEqual(last);
			last = to;
		}
	});
}

/** Expects that what was refused has left nothing behind. */
async function unchanged({ expect }: Suite, stream: ByteStream | RecordStream): Promise<void> {
	const tails = (await stream.info()).shards.map(({ tail }) => tail);
	expect(Math.max(0, ...tails), "tail").toBe(0);
}

/** Registers the cases of engines whose streams outlive `close()`. */
export function persistenceCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("appended bytes, head and tail are there after reopening", async ({ stream, reopen }) => {
		const parts = Array.from({ length: 50 }, (_, index) => pattern(1000 + index, index));
		for (const part of parts) await stream.append(part);
		await stream.truncateBefore(1234);
		const before = await stream.info();
		const again = (await reopen()).scope("suite").stream("stream");
		const after = await again.info();
		expect([after.id, after.createdAt, after.sealed]).toEqual([before.id, before.createdAt, false]);
		expect([after.shards[0]?.head, after.shards[0]?.tail]).toEqual([1234, before.shards[0]?.tail]);
		expect(after.shards[0]?.lastTime).toBe(before.shards[0]?.lastTime);
		await suite.holds(again, concat(parts).subarray(1234));
		await suite.fails(again.reader({ from: { offset: 1233 } }).read(), "STREAMBED_TRUNCATED", { head: 1234 });
	});

	suite.case("appends go on at the old tail after reopening, again and again", async ({ stream, reopen }) => {
		await stream.append(bytesOf("0;"));
		for (let round = 1; round < 6; round++) {
			const again = (await reopen()).scope("suite").stream("stream");
			expect((await again.append(bytesOf(`${round};`), { expect: round * 2 })).from).toBe(round * 2);
		}
		await suite.holds((await reopen()).scope("suite").stream("stream"), bytesOf("0;1;2;3;4;5;"));
	});

	suite.case("a seal is kept", async ({ stream, reopen }) => {
		await stream.append(bytesOf("abc"));
		await stream.seal();
		const again = (await reopen()).scope("suite").stream("stream");
		expect((await again.info()).sealed).toBe(true);
		await suite.fails(again.append(bytesOf("d")), "STREAMBED_SEALED");
		const reader = again.reader({ from: "tail", follow: true });
		expect(await reader.read()).toEqual({ kind: "end" });
	});

	suite.case(
		"a stream truncated at its tail is empty and goes on there after reopening",
		async ({ stream, reopen }) => {
			await stream.append(pattern(5000));
			await stream.truncateBefore("tail");
			const again = (await reopen()).scope("suite").stream("stream");
			expect(await again.append(bytesOf("abc"))).toEqual({ from: 5000, to: 5003, duplicate: false });
			await suite.holds(again, bytesOf("abc"));
		},
	);

	suite.case("borders and times of appends are kept", async ({ stream, reopen }) => {
		for (let index = 1; index < 40; index++) await stream.append(pattern(index * 100, index));
		const before = await Array.fromAsync(stream.appends(), ({ offset, time }) => [offset, time]);
		const again = (await reopen()).scope("suite").stream("stream");
		expect(await Array.fromAsync(again.appends(), ({ offset, time }) => [offset, time])).toEqual(before);
	});

	suite.case("settings and changes to them are kept", async ({ store, reopen }) => {
		const stream = await store.scope("suite").create("changed", { tags: { a: "1" }, segmentBytes: 128 * KiB });
		await stream.update({ tags: { b: "2", c: "3" } });
		const { tags, segmentBytes } = await (await reopen()).scope("suite").stream("changed").info();
		expect([tags, segmentBytes]).toEqual([{ b: "2", c: "3" }, 128 * KiB]);
	});

	suite.case("deleted streams stay deleted, made ones stay", async ({ store, stream, reopen }) => {
		const scope = store.scope("suite");
		await stream.append(bytesOf("abc"));
		await (await scope.create("kept")).append(bytesOf("kept"));
		await scope.create("empty");
		await scope.delete("stream");
		const again = (await reopen()).scope("suite");
		expect((await again.list()).map((each) => each.stream)).toEqual(["empty", "kept"]);
		await suite.holds(again.stream("kept"), bytesOf("kept"));
		await suite.fails(again.stream("stream").info(), "STREAMBED_NOT_FOUND");
	});

	suite.case(
		"a stream made anew under an old name does not get the old bytes back",
		async ({ store, stream, reopen }) => {
			await stream.append(bytesOf("old bytes"));
			await store.scope("suite").delete("stream");
			await (await store.scope("suite").create("stream")).append(bytesOf("new"));
			await suite.holds((await reopen()).scope("suite").stream("stream"), bytesOf("new"));
		},
	);

	suite.case("a stream over many segments is read whole, and from any place", async ({ store, reopen }) => {
		const stream = await store.scope("suite").create("long", { segmentBytes: 64 * KiB });
		const wanted = pattern(500_000);
		for (let at = 0; at < wanted.length; at += 10_000) await stream.append(wanted.subarray(at, at + 10_000));
		expect((await stream.info()).shards[0]?.segments).toBeGreaterThan(3);
		const again = (await reopen()).scope("suite").stream("long");
		await suite.holds(again, wanted);
		for (const offset of [1, 65_535, 65_536, 123_456, 499_999]) {
			const found = await again.reader({ from: { offset } }).read(100);
			if (found.kind !== "data") throw new Error(found.kind);
			suite.sameBytes(found.bytes, wanted.subarray(offset, offset + found.bytes.length));
		}
	});

	suite.case("after reopening times lead to the same appends", async ({ stream, reopen }) => {
		for (let index = 0; index < 20; index++) await stream.append(pattern(10, index));
		const pieces = await Array.fromAsync(stream.appends(), ({ offset, time }) => ({ offset, time }));
		const reader = (await reopen()).scope("suite").stream("stream").reader();
		for (const { time } of pieces) {
			const first = pieces.find((piece) => piece.time >= time);
			expect(await reader.seek({ time })).toBe(first?.offset);
		}
		expect(await reader.seek({ time: 0 })).toBe(0);
	});
}
