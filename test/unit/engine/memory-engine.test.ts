import { describe, expect, it } from "vitest";
import { resolveStreamConfig } from "../../../src/core/stream-config.ts";
import { createMemoryEngine } from "../../../src/engine/memory/memory-engine.ts";
import { Store } from "../../../src/stream/store.ts";

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index & 0xff);

describe("the memory engine", () => {
	it("keeps exact positions close to the largest safe number, and refuses to pass it", async () => {
		const firstPosition = Number.MAX_SAFE_INTEGER - 1000;
		await using store = new Store("memory:", createMemoryEngine({ firstPosition }));
		const stream = await store.scope("big").create("stream");
		expect(await stream.append(bytes(600))).toEqual({
			from: firstPosition,
			to: firstPosition + 600,
			duplicate: false,
		});
		await expect(stream.append(bytes(401))).rejects.toMatchObject({ code: "STREAMBED_LIMIT_EXCEEDED" });
		expect((await stream.append(bytes(400), { expect: firstPosition + 600 })).to).toBe(Number.MAX_SAFE_INTEGER);
		const reader = stream.reader({ from: { offset: firstPosition + 599 } });
		expect(await reader.read()).toMatchObject({ kind: "data", offset: firstPosition + 599 });
		expect(reader.offset).toBe(Number.MAX_SAFE_INTEGER);
		expect(await stream.truncateBefore(firstPosition + 601)).toBe(firstPosition + 601);
	});

	it("hears a refusal only after submit has returned", async () => {
		const engine = createMemoryEngine();
		const shard = (await engine.createStream({ scope: "a", stream: "b" }, resolveStreamConfig())).shard(0);
		let heard = false;
		const refused = new Promise((resolve) => {
			shard.submit(
				[bytes(1)],
				{ expect: 7 },
				{ done: (from, to, duplicate) => resolve({ from, to, duplicate }), fail: resolve },
			);
			expect(heard).toBe(false);
		}).then((error) => {
			heard = true;
			return error;
		});
		expect(await refused).toMatchObject({ code: "STREAMBED_POSITION_MISMATCH" });
		await engine.close();
	});

	it("copies what it is given, small or large", async () => {
		const engine = createMemoryEngine();
		const shard = (await engine.createStream({ scope: "a", stream: "b" }, resolveStreamConfig())).shard(0);
		for (const length of [10, 100_000]) {
			const given = bytes(length);
			const { from } = await new Promise<{ from: number }>((done, fail) => {
				shard.submit([given], {}, { done: (from) => done({ from }), fail });
				given.fill(0xee);
			});
			const result = await shard.read(from, length);
			expect(result.kind === "data" && result.runs[0]?.bytes).toEqual(bytes(length));
		}
		await engine.close();
	});

	it("fails an accepted append whose stream is deleted before it is stored", async () => {
		await using store = new Store("memory:", createMemoryEngine());
		const stream = await store.scope("a").create("b");
		const appending = expect(stream.append(bytes(10))).rejects.toMatchObject({ code: "STREAMBED_NOT_FOUND" });
		await store.scope("a").delete("b");
		await appending;
	});
});
