/**
 * One project per folder of test/. Folders run one after another, in this order: what starts programs as users do
 * should not share two cores with the rest.
 */
import { readdirSync } from "node:fs";
import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Folders whose files may run side by side; the files of all others run one at a time. */
const parallel = ["unit", "contract", "property", "crash", "simulation"];
const last = readdirSync("test").filter((name) => name !== "fixtures" && !parallel.includes(name));

/** Where to write the results as JSON besides showing them; set by scripts/ci.ts. */
const report = process.env.STREAMBED_TEST_REPORT;

const config: ViteUserConfig = defineConfig({
	test: {
		pool: "forks",
		testTimeout: 30_000,
		hookTimeout: 30_000,
		reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
		coverage: { include: ["src/**"], reporter: ["text", "html"] },
		projects: [...parallel, ...last.toSorted()].map((folder, index) => ({
			extends: true,
			test: {
				name: folder,
				include: [`test/${folder}/**/*.test.ts`],
				maxWorkers: parallel.includes(folder) ? 2 : 1,
				sequence: { groupOrder: index },
			},
		})),
	},
});

export default config;
