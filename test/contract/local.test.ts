import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { localManifest } from "../../src/engine/local/local-engine.ts";
import { open, type Store } from "../../src/index.ts";
import { testEngine } from "../../src/testing/index.ts";

testEngine({
	name: "local",
	manifest: localManifest,
	open: async (options = {}) => {
		const folder = await mkdtemp(join(tmpdir(), "streambed-contract-"));
		let store: Store = await open(`file:${folder}/data`, options);
		return {
			store,
			reopen: async () => {
				await store.close();
				store = await open(`file:${folder}/data`, options);
				return store;
			},
			dispose: async () => {
				await store.close();
				await rm(folder, { recursive: true, force: true });
			},
		};
	},
	describe,
	it,
	expect,
});
