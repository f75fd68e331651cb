/**
 * One project per folder of test/, in groups that run one after another: what is quick or waits, what takes
 * long, and last what starts programs as users do. Within a group two files run side by side, one for each of two cores.
 */
import { readdirSync } from "node:fs";
import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Folders of the first groups; all others make up the last one. */
const groups = [
	["unit", "contract", "property", "soak"],
	["crash", "simulation"],
];
const folders = readdirSync("test").filter((name) => name !== "fixtures");

/** Where to write the results as JSON besides showing them; set by scripts/ci.ts. */
const report = process.env.STREAMBED_TEST_REPORT;

const config: ViteUserConfig = defineConfig({
	test: {
		pool: "forks",
		maxWorkers: 2,
		globalSetup: "scripts/test/compile-cache.ts",
		testTimeout: 30_000,
		hookTimeout: 30_000,
		reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
		coverage: { include: ["src/**"], reporter: ["text", "html"] },
		projects: folders.map((folder) => {
			const group = groups.findIndex((names) => names.includes(folder));
			return {
				extends: true,
				test: {
					name: folder,
					include: [`test/${folder}/**/*.test.ts`],
					sequence: { groupOrder: group === -1 ? groups.length : group },
				},
			};
		}),
	},
});

export default config;
