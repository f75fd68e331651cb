/** Cases: making, finding, listing, changing and deleting streams; names; the life of a store. */
import type { StreamOptions } from "../../core/stream-config.ts";
import type { StreamSummary } from "../../engine/contract.ts";
import { bytesOf, type Suite } from "./context.ts";

const KiB = 1024;

function namesOf(streams: readonly StreamSummary[]): string[] {
	return streams.map(({ stream }) => stream);
}

/** Registers the cases. */
export function streamCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("a new stream is empty, unsealed and shows what it was made with", async ({ store }) => {
		const before = Date.now();
		const options: StreamOptions = { kind: "bytes", segmentBytes: 128 * KiB, tags: { camera: "north", lens: "wide" } };
		const stream = await store.scope("web").create("clicks", options);
		const info = await stream.info();
		const { id, createdAt, ...rest } = info;
		expect(rest).toEqual({
			scope: "web",
			stream: "clicks",
			kind: "bytes",
			sealed: false,
			durability: store.durability,
			retention: {},
			segmentBytes: 128 * KiB,
			tags: { camera: "north", lens: "wide" },
			shards: [{ shard: 0, head: 0, tail: 0, bytes: 0, segments: 0, lastTime: null }],
		});
		expect(/^[0-9a-f-]{36}$/.test(id)).toBe(true);
		expect(createdAt).toBeGreaterThanOrEqual(before);
		expect(createdAt).toBeLessThanOrEqual(Date.now());
		expect([stream.scope, stream.name, stream.address]).toEqual(["web", "clicks", "web/clicks"]);
	});

	suite.case("info tells tail, bytes and the time of the last append", async ({ stream }) => {
		const before = Date.now();
		await stream.append(bytesOf("abc"));
		const shard = (await stream.info()).shards[0];
		expect([shard?.head, shard?.tail, shard?.bytes]).toEqual([0, 3, 3]);
		expect(shard?.lastTime).toBeGreaterThanOrEqual(before);
		expect(shard?.lastTime).toBeLessThanOrEqual(Date.now());
	});

	suite.case("making a stream that exists is EXISTS and harms nothing", async ({ store, stream }) => {
		await stream.append(bytesOf("abc"));
		await suite.fails(store.scope("suite").create("stream"), "STREAMBED_EXISTS", { scope: "suite", stream: "stream" });
		await suite.holds(stream, bytesOf("abc"));
	});

	suite.case("of many that make the same stream at once exactly one succeeds", async ({ store }) => {
		const scope = store.scope("suite");
		const results = await Promise.allSettled(Array.from({ length: 10 }, () => scope.create("race")));
		expect(results.filter(({ status }) => status === "fulfilled").length).toBe(1);
		for (const result of results) if (result.status === "rejected") suite.isError(result.reason, "STREAMBED_EXISTS");
	});

	suite.case("many that ensure the same stream at once all get it", async ({ store }) => {
		const scope = store.scope("suite");
		const streams = await Promise.all(Array.from({ length: 10 }, () => scope.ensure("shared", { tags: { a: "1" } })));
		const ids = await Promise.all(streams.map(async (each) => (await each.info()).id));
		expect(new Set(ids).size).toBe(1);
	});

	suite.case(
		"ensure takes a stream whose settings are those given, in any order, and leaves the others",
		async ({ store }) => {
			const scope = store.scope("suite");
			const made = await scope.create("kept", { tags: { a: "1", b: "2" }, segmentBytes: 128 * KiB });
			const { id } = await made.info();
			for (const options of [
				{},
				{ tags: { b: "2", a: "1" } },
				{ segmentBytes: 128 * KiB },
				{ kind: "bytes" } as const,
			]) {
				expect((await (await scope.ensure("kept", options)).info()).id).toBe(id);
			}
		},
	);

	suite.case("ensure of a stream with other settings is EXISTS and says which differ", async ({ store }) => {
		const scope = store.scope("suite");
		await scope.create("kept", { tags: { a: "1" }, segmentBytes: 128 * KiB });
		const action = scope.ensure("kept", { tags: { a: "2" }, segmentBytes: 256 * KiB, kind: "bytes" });
		await suite.fails(action, "STREAMBED_EXISTS", { different: ["tags", "segmentBytes"] });
	});

	suite.case(
		"a handle to a stream that is missing fails when used, and works once the stream is made",
		async ({ store }) => {
			const handle = store.scope("suite").stream("later");
			const details = { scope: "suite", stream: "later" };
			await suite.fails(handle.info(), "STREAMBED_NOT_FOUND", details);
			await suite.fails(handle.open(), "STREAMBED_NOT_FOUND", details);
			await suite.fails(handle.append(bytesOf("a")), "STREAMBED_NOT_FOUND");
			await suite.fails(handle.seal(), "STREAMBED_NOT_FOUND");
			await suite.fails(handle.update({ tags: {} }), "STREAMBED_NOT_FOUND");
			await store.scope("suite").create("later");
			expect(await handle.append(bytesOf("a"))).toEqual({ from: 0, to: 1, duplicate: false });
			expect(await handle.open()).toBe(handle);
		},
	);

	suite.case("update changes what is given and leaves the rest", async ({ store }) => {
		const stream = await store.scope("suite").create("changed", { tags: { a: "1" }, segmentBytes: 128 * KiB });
		expect((await stream.update({ tags: { b: "2" } })).tags).toEqual({ b: "2" });
		const info = await stream.update({ segmentBytes: 256 * KiB });
		expect([info.tags, info.segmentBytes]).toEqual([{ b: "2" }, 256 * KiB]);
		expect((await stream.info()).tags).toEqual({ b: "2" });
		const listed = await store.scope("suite").list({ prefix: "changed" });
		expect(listed[0]?.tags).toEqual({ b: "2" });
	});

	suite.case("update refuses what cannot change, unknown names and wrong values", async ({ stream }) => {
		const wrong = [{ kind: "records" }, { shards: 2 }, { tag: {} }, { segmentBytes: 1 }, { tags: { a: 1 } }];
		for (const change of wrong) await suite.fails(stream.update(change as object), "STREAMBED_INVALID_OPTION");
	});

	suite.case("settings are checked when a stream is made", async ({ store }) => {
		const scope = store.scope("suite");
		const wrong = [
			{ knid: "bytes" },
			{ kind: "text" },
			{ shards: 2 },
			{ shards: 0 },
			{ segmentBytes: 100 },
			{ tags: ["a"] },
			{ tags: { a: 7 } },
			{ retention: { agems: 5 } },
			{ retention: { ageMs: -1 } },
		];
		for (const options of wrong) {
			await suite.fails(scope.create("wrong", options as StreamOptions), "STREAMBED_INVALID_OPTION");
			await suite.fails(scope.ensure("wrong", options as StreamOptions), "STREAMBED_INVALID_OPTION");
		}
		expect(namesOf(await scope.list())).toEqual(["stream"]);
	});

	deletionCases(suite);
	listCases(suite);
	nameCases(suite);
	storeCases(suite);
}

function deletionCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("a deleted stream is gone from lists, and all that uses it is NOT_FOUND", async ({ store, stream }) => {
		await stream.append(bytesOf("abc"));
		const reader = stream.reader();
		await reader.read(1);
		await store.scope("suite").delete("stream");
		expect(await store.list()).toEqual([]);
		expect(await store.scopes()).toEqual([]);
		await suite.fails(stream.append(bytesOf("d")), "STREAMBED_NOT_FOUND");
		await suite.fails(stream.info(), "STREAMBED_NOT_FOUND");
		await suite.fails(stream.truncateBefore(1), "STREAMBED_NOT_FOUND");
		await suite.fails(stream.seal(), "STREAMBED_NOT_FOUND");
		await suite.fails(reader.seek("head"), "STREAMBED_NOT_FOUND");
		await suite.fails(store.scope("suite").delete("stream"), "STREAMBED_NOT_FOUND");
	});

	suite.case(
		"a stream made anew under an old name is another one: empty, with only new data",
		async ({ store, stream }) => {
			const scope = store.scope("suite");
			await stream.append(bytesOf("old data"));
			const { id } = await stream.info();
			const reader = stream.reader();
			await scope.delete("stream");
			const again = await scope.create("stream");
			expect((await again.info()).id === id).toBe(false);
			expect(await again.append(bytesOf("new"))).toEqual({ from: 0, to: 3, duplicate: false });
			await suite.holds(again, bytesOf("new"));
			await suite.fails(stream.append(bytesOf("x")), "STREAMBED_NOT_FOUND");
			await suite.fails(reader.read(), "STREAMBED_NOT_FOUND");
			await suite.fails(stream.update({ tags: { old: "handle" } }), "STREAMBED_NOT_FOUND");
			expect((await again.info()).tags).toEqual({});
			await suite.holds(again, bytesOf("new"));
		},
	);

	suite.case("deleting one stream leaves those above and below its name alone", async ({ store }) => {
		const scope = store.scope("suite");
		for (const name of ["a", "a/b", "a/b/c", "ab"]) await (await scope.create(name)).append(bytesOf(name));
		await scope.delete("a/b");
		expect(namesOf(await scope.list())).toEqual(["a", "a/b/c", "ab", "stream"]);
		await suite.holds(scope.stream("a/b/c"), bytesOf("a/b/c"));
		await suite.holds(scope.stream("a"), bytesOf("a"));
	});

	suite.case("streams can be made and deleted over and over", async ({ store }) => {
		const scope = store.scope("suite");
		for (let round = 0; round < 20; round++) {
			const stream = await scope.create("phoenix");
			expect(await stream.append(bytesOf(`${round}`), { expect: 0 })).toEqual({
				from: 0,
				to: `${round}`.length,
				duplicate: false,
			});
			await scope.delete("phoenix");
		}
		expect(namesOf(await scope.list())).toEqual(["stream"]);
	});
}

function listCases(suite: Suite): void {
	const { expect } = suite;

	suite.case("a scope lists its streams in order, by prefix, and page by page", async ({ store }) => {
		const scope = store.scope("list");
		const names = ["b", "a", "cam/2", "cam/10", "cam", "cam-1", "Z", "é"];
		for (const name of names) await scope.create(name);
		const sorted = names.toSorted();
		expect(namesOf(await scope.list())).toEqual(sorted);
		expect(namesOf(await scope.list({ prefix: "cam" }))).toEqual(["cam", "cam-1", "cam/10", "cam/2"]);
		expect(namesOf(await scope.list({ prefix: "cam/" }))).toEqual(["cam/10", "cam/2"]);
		expect(namesOf(await scope.list({ prefix: "nope" }))).toEqual([]);
		const paged: string[] = [];
		for (let after: string | undefined; ; after = paged.at(-1)) {
			const page = namesOf(await scope.list({ after, limit: 3 }));
			expect(page.length).toBeLessThanOrEqual(3);
			if (page.length === 0) break;
			paged.push(...page);
		}
		expect(paged).toEqual(sorted);
		expect(namesOf(await scope.list({ prefix: "cam", after: "cam-1", limit: 1 }))).toEqual(["cam/10"]);
	});

	suite.case("a store lists the streams of all scopes by scope and name, and the scopes", async ({ store }) => {
		for (const address of ["a/x", "a/y/z", "b/x", "ab/x"]) {
			const [scope = "", ...rest] = address.split("/");
			await store.scope(scope).create(rest.join("/"));
		}
		const list = async (options: Parameters<typeof store.list>[0]): Promise<string[]> =>
			(await store.list(options)).map(({ scope, stream }) => `${scope}/${stream}`);
		const all = ["a/x", "a/y/z", "ab/x", "b/x", "suite/stream"];
		expect(await list({})).toEqual(all);
		expect(await list({ prefix: "a" })).toEqual(["a/x", "a/y/z", "ab/x"]);
		expect(await list({ prefix: "a/" })).toEqual(["a/x", "a/y/z"]);
		expect(await list({ after: "a/y/z", limit: 2 })).toEqual(["ab/x", "b/x"]);
		expect(await list({ after: "suite/stream" })).toEqual([]);
		expect(await store.scopes()).toEqual(["a", "ab", "b", "suite"]);
	});

	suite.case("a listing shows identity, kind, shards, time and tags", async ({ store, stream }) => {
		const { id, createdAt } = await stream.info();
		expect(await store.list()).toEqual([
			{ scope: "suite", stream: "stream", id, kind: "bytes", shards: 1, createdAt, tags: {} },
		]);
	});

	suite.case("options of a listing are checked", async ({ store }) => {
		const scope = store.scope("suite");
		for (const options of [{ prefx: "a" }, { limit: 0 }, { limit: 1.5 }, { prefix: 7 }, { after: {} }]) {
			await suite.fails(scope.list(options as object), "STREAMBED_INVALID_OPTION");
			await suite.fails(store.list(options as object), "STREAMBED_INVALID_OPTION");
		}
	});
}

function nameCases(suite: Suite): void {
	const { expect } = suite;
	const odd = [
		"щ".repeat(50),
		"#1",
		"100%",
		"%41",
		"two words",
		"archive.stream",
		"a.stream/b.stream",
		"question? star* pipe|",
		'back\\slash "quoted" <tag>',
		"time 12:30",
		".hidden",
		"dot.",
		"space ",
		"emoji 🎥",
		"deep/er/and/deep/er",
		"x".repeat(240),
	];

	suite.case("odd names keep their streams apart and come back as they were", async ({ store }) => {
		const scope = store.scope("Größe №1");
		for (const name of odd) await (await scope.create(name)).append(bytesOf(name));
		expect(namesOf(await scope.list())).toEqual(odd.toSorted());
		for (const name of odd) await suite.holds(scope.stream(name), bytesOf(name));
		for (const name of odd) await scope.delete(name);
		expect(await scope.list()).toEqual([]);
	});

	suite.case("bad names are INVALID_NAME, for streams and scopes", async ({ store }) => {
		const bad = [
			"",
			".",
			"..",
			"a//b",
			"/a",
			"a/",
			"a/../b",
			"a\0b",
			"line\nbreak",
			"x".repeat(300),
			"\ud800",
			"y\u007f",
		];
		const scope = store.scope("suite");
		for (const name of bad) {
			suite.throws(() => scope.stream(name), "STREAMBED_INVALID_NAME");
			await suite.fails(scope.create(name), "STREAMBED_INVALID_NAME");
			await suite.fails(scope.delete(name), "STREAMBED_INVALID_NAME");
			if (!name.includes("/")) suite.throws(() => store.scope(name), "STREAMBED_INVALID_NAME");
		}
		for (const name of ["a/b", "_streambed", 7 as unknown as string]) {
			suite.throws(() => store.scope(name), "STREAMBED_INVALID_NAME");
		}
		suite.throws(() => scope.stream("part/".repeat(250)), "STREAMBED_INVALID_NAME");
		expect(namesOf(await scope.list())).toEqual(["stream"]);
	});
}

function storeCases(suite: Suite): void {
	const { expect } = suite;

	suite.case(
		"a closed store refuses everything with CLOSED, and closing it again is harmless",
		async ({ store, stream }) => {
			expect(store.status).toBe("open");
			const scope = store.scope("suite");
			const unopened = scope.stream("other");
			const closing = store.close();
			expect(store.status).toBe("closing");
			await closing;
			await store.close();
			expect(store.status).toBe("closed");
			await suite.fails(stream.append(bytesOf("a")), "STREAMBED_CLOSED");
			await suite.fails(stream.info(), "STREAMBED_CLOSED");
			await suite.fails(unopened.open(), "STREAMBED_CLOSED");
			await suite.fails(stream.seal(), "STREAMBED_CLOSED");
			await suite.fails(stream.update({ tags: {} }), "STREAMBED_CLOSED");
			await suite.fails(scope.create("new"), "STREAMBED_CLOSED");
			await suite.fails(scope.ensure("stream"), "STREAMBED_CLOSED");
			await suite.fails(scope.list(), "STREAMBED_CLOSED");
			await suite.fails(scope.delete("stream"), "STREAMBED_CLOSED");
			await suite.fails(store.list(), "STREAMBED_CLOSED");
			await suite.fails(store.scopes(), "STREAMBED_CLOSED");
			await suite.fails(store.checkpoint(), "STREAMBED_CLOSED");
			suite.throws(() => stream.reader(), "STREAMBED_CLOSED");
			suite.throws(() => stream.writer(), "STREAMBED_CLOSED");
			suite.throws(() => store.stats(), "STREAMBED_CLOSED");
		},
	);

	suite.case("closing a store waits for the appends that it accepted", async ({ store, stream }) => {
		await stream.open();
		const appends = Array.from({ length: 50 }, (_, index) => stream.append(bytesOf(`${index % 10}`)));
		await store.close();
		const results = await Promise.all(appends);
		expect(results.at(-1)).toEqual({ from: 49, to: 50, duplicate: false });
	});

	suite.case("stats count appends and their bytes", async ({ store, stream }) => {
		const before = store.stats();
		await Promise.all([stream.append(bytesOf("abc")), stream.append(bytesOf("de"))]);
		const after = store.stats();
		expect(after.appends - before.appends).toBe(2);
		expect(after.appendedBytes - before.appendedBytes).toBe(5);
		expect(after.pendingBytes).toBe(0);
		expect(after.rounds).toBeGreaterThan(before.rounds);
	});

	suite.case(
		"a checkpoint of the store, of a stream by handle or by address succeeds, of a missing one is NOT_FOUND",
		async ({ store, stream }) => {
			await stream.append(bytesOf("abc"));
			await store.checkpoint();
			await store.checkpoint(stream);
			await store.checkpoint("suite/stream");
			await suite.fails(store.checkpoint("suite/missing"), "STREAMBED_NOT_FOUND");
			await suite.fails(store.checkpoint("suite"), "STREAMBED_INVALID_NAME");
			await suite.holds(stream, bytesOf("abc"));
		},
	);
}
