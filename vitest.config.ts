/**
 * One project per folder of test/. Two files run side by side, one for each of two cores, from all folders mixed;
 * `LongFirst` says in which order they begin.
 */
import { readdirSync } from "node:fs";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { garbageFlags } from "./scripts/test/garbage-flags.ts";
import { LongFirst } from "./scripts/test/long-first.ts";

const folders = readdirSync("test").filter((name) => name !== "fixtures");

/** Where to write the results as JSON besides showing them; set by scripts/ci.ts. */
const report = process.env.STREAMBED_TEST_REPORT;

const config: ViteUserConfig = defineConfig({
	test: {
		pool: "forks",
		execArgv: [...garbageFlags],
		maxWorkers: 2,
		globalSetup: "scripts/test/compile-cache.ts",
		sequence: { sequencer: LongFirst },
		testTimeout: 30_000,
		hookTimeout: 30_000,
		reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
		coverage: { include: ["src/**"], reporter: ["text", "html"] },
		projects: folders.map((folder) => ({
			extends: true,
			test: { name: folder, include: [`test/${folder}/**/*.test.ts`] },
		})),
	},
});

export default config;
