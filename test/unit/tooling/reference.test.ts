import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportsOf } from "../../../scripts/reference/declarations.ts";
import { errorTable, exitCodes } from "../../../src/core/errors.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const page = (name: string): string => readFileSync(join(root, "docs", "reference", name), "utf8");

describe("the reference pages", () => {
	it("are what the code says now", () => {
		const run = spawnSync(process.execPath, ["scripts/reference.ts", "--check"], { cwd: root, encoding: "utf8" });
		expect(run.stdout + run.stderr).toBe("");
		expect(run.status).toBe(0);
	});

	it("name every error code of the table, and no other", () => {
		const documented = [...page("errors.md").matchAll(/^## (\S+)$/gm)].map((match) => match[1]);
		expect(documented.toSorted()).toEqual(
			Object.keys(errorTable)
				.map((code) => `STREAMBED_${code}`)
				.toSorted(),
		);
	});

	it("say category, exit code, meaning and hint of each error", () => {
		const sections = page("errors.md").split(/^## /m).slice(1);
		for (const [code, entry] of Object.entries(errorTable)) {
			const section = sections.find((text) => text.startsWith(`STREAMBED_${code}\n`));
			expect(section).toContain(`\`${entry.category}\`, exit code ${exitCodes[entry.category]},`);
			expect(section).toContain(entry.retryable ? ", retryable." : ", not retryable.");
			expect(section).toContain(entry.explain);
			expect(section).toContain(entry.hint);
		}
	});
});

describe("the reader of declarations", () => {
	let folder: string;
	beforeAll(() => {
		folder = mkdtempSync(join(tmpdir(), "streambed-declarations-"));
	});
	afterAll(() => rmSync(folder, { recursive: true, force: true }));

	function read(files: Readonly<Record<string, string>>): ReturnType<typeof exportsOf> {
		for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
		return exportsOf(join(folder, "index.d.ts"));
	}

	it("follows names through re-exports, imports and new names", () => {
		const found = read({
			"index.d.ts":
				'import { a } from "./a.ts";\nexport { a };\nexport { b as c, type D } from "./b.js";\nexport type * from "./e.ts";\n',
			"a.d.ts":
				"/** Makes an a. */\nexport declare function a(text: string): void;\nexport declare const hidden = 1;\n",
			"b.d.ts":
				'declare class B {\n    #private;\n    run(): void;\n}\nexport { B as b };\nexport { D } from "./d.ts";\n',
			"d.d.ts": "/**\n * What a D is.\n *\n * @see somewhere\n */\nexport interface D {\n    readonly x: number;\n}\n",
			"e.d.ts": 'export type E = "{" | {\n    a: 1;\n} | {\n    b: 2;\n};\n',
		});
		expect(found.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
			"function a",
			"class c",
			"interface D",
			"type E",
		]);
		expect(found[0]).toMatchObject({ doc: "Makes an a.", code: "function a(text: string): void;" });
		expect(found[1]?.code).toBe("class B {\n    run(): void;\n}");
		expect(found[2]?.doc).toBe("What a D is.\n\n@see somewhere");
		expect(found[3]?.code).toContain("b: 2;");
	});

	it("leaves out the constructor of a class that is exported as a type only", () => {
		const code =
			"export declare class A {\n    #private;\n    /** Makes it. */\n    constructor(x: { a: 1 });\n    /** Runs. */\n    run(): void;\n}\n";
		const files = { "a.d.ts": code, "index.d.ts": 'export { type A } from "./a.ts";\n' };
		expect(read(files)[0]?.code).toBe("class A {\n    /** Runs. */\n    run(): void;\n}");
		expect(read({ ...files, "index.d.ts": 'export { A } from "./a.ts";\n' })[0]?.code).toContain("constructor(");
	});

	it("refuses a name that nothing declares", () => {
		expect(() => read({ "index.d.ts": 'export { gone } from "./a.ts";\n', "a.d.ts": "export {};\n" })).toThrow(/gone/);
	});
});
