/** Shows that the lint rules which the project leans on can fail: each is given a file that breaks it. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Rule → the file that breaks it. */
const violations: Readonly<Record<string, readonly [path: string, text: string]>> = {
	"nursery/noFloatingPromises": [
		"src/log/floating.ts",
		"async function sync(): Promise<void> {}\nexport function close(): void {\n\tsync();\n}\n",
	],
	"nursery/noMisusedPromises": [
		"src/log/misused.ts",
		"async function isOpen(): Promise<boolean> {\n\treturn true;\n}\nexport const x: number = isOpen() ? 1 : 2;\n",
	],
	"suspicious/noImportCycles": [
		"src/log/cycle-a.ts",
		'import { b } from "./cycle-b.ts";\n\nexport const a: number = b;\n',
	],
	"correctness/useImportExtensions": ["src/log/extension.ts", 'export { b } from "./cycle-b";\n'],
	"style/useFilenamingConvention": ["src/log/camelCase.ts", "export const a = 1;\n"],
	"complexity/noExcessiveLinesPerFunction": [
		"src/log/long.ts",
		`export function f(): void {\n${"\tglobalThis.queueMicrotask(f);\n".repeat(71)}}\n`,
	],
	"suspicious/noConsole": ["src/log/print.ts", 'console.log("x");\n'],
	"style/noDefaultExport": ["src/log/default.ts", "export default 1;\n"],
	"suspicious/noExplicitAny": ["src/log/any.ts", "export function f(x: any): void {\n\tx();\n}\n"],
	"correctness/noUndeclaredDependencies": ["src/cli/left.ts", 'import { pad } from "left-pad";\n\npad();\n'],
};

describe("lint rules", () => {
	let copy: string;
	let found: ReadonlySet<string>;

	beforeAll(() => {
		copy = mkdtempSync(join(tmpdir(), "streambed-lint-"));
		for (const name of ["biome.json", ".gitignore", "package.json"]) copyFileSync(join(root, name), join(copy, name));
		const other = ["src/log/cycle-b.ts", 'import { a } from "./cycle-a.ts";\n\nexport const b: number = a;\n'] as const;
		for (const [path, text] of [...Object.values(violations), other]) {
			mkdirSync(dirname(join(copy, path)), { recursive: true });
			writeFileSync(join(copy, path), text);
		}
		const args = ["check", "--error-on-warnings", "--reporter=json", "--max-diagnostics=none", "src"];
		const run = spawnSync(join(root, "node_modules", ".bin", "biome"), args, { cwd: copy, encoding: "utf8" });
		expect(run.status).toBe(1);
		const report = JSON.parse(run.stdout) as {
			diagnostics: { category: string; severity: string; location: { path: string } }[];
		};
		found = new Set(
			report.diagnostics
				.filter(({ severity }) => severity === "error")
				.map(({ category, location }) => `${category.replace("lint/", "")} ${location.path}`),
		);
	});

	afterAll(() => rmSync(copy, { recursive: true, force: true }));

	for (const [rule, [path]] of Object.entries(violations)) {
		it(`${rule} refuses ${path}`, () => {
			expect([...found]).toContain(`${rule} ${path}`);
		});
	}
});
