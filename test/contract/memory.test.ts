import { describe, expect, it } from "vitest";
import { memoryManifest } from "../../src/engine/memory/memory-engine.ts";
import { open } from "../../src/index.ts";
import { testEngine } from "../../src/testing/index.ts";

testEngine({
	name: "memory",
	manifest: memoryManifest,
	open: async (options = {}) => {
		const store = await open("memory:", options);
		return { store, dispose: () => store.close() };
	},
	describe,
	it,
	expect,
});
