/** Holds the documents to what is there: scripts, commands, examples and tests that they name. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { commands } from "../../src/cli/catalog.ts";
import { errorTable } from "../../src/core/errors.ts";
import { firstSnippet } from "./readme-snippet.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

const documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].concat(
	readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(".md"))
		.map((name) => `docs/${name}`),
);

/** Everything that a pattern's first group finds in the documents, with the place where it was found. */
function mentions(pattern: RegExp): readonly { readonly word: string; readonly path: string }[] {
	return documents.flatMap((path) =>
		Array.from(read(path).matchAll(pattern), (match) => ({ word: match[1] ?? "", path })),
	);
}

function unknown(pattern: RegExp, known: readonly string[]): readonly string[] {
	const found = mentions(pattern);
	expect(found.length, `mentions of ${pattern}`).toBeGreaterThan(0);
	return found.filter(({ word }) => !known.includes(word)).map(({ word, path }) => `${path}: ${word}`);
}

/** Texts in quotes. */
function namesIn(text: string): string[] {
	return Array.from(text.matchAll(/[“"]([^”"\n]+)[”"]/g), (match) => match[1] ?? "");
}

describe("the documents", () => {
	it("name only npm scripts that exist", () => {
		const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
		expect(unknown(/\bnpm run ([a-z][\w:-]*)/g, Object.keys(scripts))).toEqual([]);
	});

	it("say what each command gives with --json", () => {
		const rows = Array.from(read("docs/reference/json.md").matchAll(/^\| (`.*?) \|/gm), (match) => match[1] ?? "");
		const shown = rows.flatMap((row) => Array.from(row.matchAll(/`([a-z]+)/g), (match) => match[1]));
		expect(commands.map(({ name }) => name).filter((name) => !shown.includes(name))).toEqual([]);
	});

	it("show only commands that exist", () => {
		const names = commands.map(({ name }) => name);
		expect(unknown(/\bnpx streambed ([a-z]+)/g, names)).toEqual([]);
	});

	it("name only error codes that exist", () => {
		const codes = Object.keys(errorTable).map((code) => `STREAMBED_${code}`);
		expect(unknown(/\b(STREAMBED_[A-Z]+(?:_[A-Z]+)*)\b/g, [...codes, "STREAMBED_STORE"])).toEqual([]);
	});

	it("name only files that exist", () => {
		const paths = /`((?:src|test|scripts|bin|examples|bench|docs)\/[\w./-]*\.(?:ts|js|json|md))`/g;
		const existing = mentions(paths).filter(({ word }) => existsSync(join(root, word)));
		const names = existing.map(({ word }) => word);
		expect(unknown(paths, names)).toEqual([]);
	});

	it("have a row for each scenario of the benchmark", () => {
		const folder = "bench/scenarios";
		const names = readdirSync(join(root, folder)).flatMap((file) =>
			Array.from(read(`${folder}/${file}`).matchAll(/\tname: "([a-z-]+)",\n\tsummary: /g), (match) => match[1]),
		);
		expect(names).toContain("append");
		const table = read("bench/README.md").match(/^\| Scenario .*?\n\n/ms)?.[0] ?? "";
		const rows = Array.from(table.matchAll(/^\| `([a-z-]+)` \|/gm), (match) => match[1]);
		expect(rows.toSorted()).toEqual(names.toSorted());
	});

	it("name only tests that exist", () => {
		const within = (folder: string): string[] =>
			readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => `${folder}/${name}`);
		const sources = [
			...within("test").filter((name) => name.endsWith(".test.ts")),
			...within("src/testing/engine-suite"),
		]
			.filter((name) => name.endsWith(".ts"))
			.map((name) => read(name))
			.join("\n");
		// A title is the first argument, or the one behind the suite, of a call that has more; not a comment, nor a part of one.
		const titles = new Set(
			Array.from(sources.matchAll(/\((?:\s*suite,)?\s*(["'`])((?:\\.|(?!\1).)+)\1,/g), (match) => match[2] ?? ""),
		);
		const rows = Array.from(read("docs/guarantees.md").matchAll(/^\|(?! ?Claim|-).*\|$/gm), (match) => match[0]);
		const shown = rows.map((row) => ({ row, names: namesIn(row.split(" | ").at(-1) ?? "") }));
		expect(shown.length).toBeGreaterThan(50);
		expect(shown.filter(({ names }) => names.length === 0).map(({ row }) => row)).toEqual([]);
		expect(shown.flatMap(({ names }) => names).filter((name) => !titles.has(name))).toEqual([]);
		expect(
			namesIn(read("docs/guarantees.md").split("\n## Append")[0] ?? "").filter((name) => !titles.has(name)),
		).toEqual([]);
	});
});

describe("the README", () => {
	it("begins with the code of examples/quickstart.ts", () => {
		const example = read("examples/quickstart.ts")
			.replace(/^\/\/.*\n/, "")
			.replace('"../src/index.ts"', '"streambed"');
		expect(firstSnippet(read("README.md")).code.trim()).toBe(example.trim());
	});

	it("has at most 250 lines", () => {
		expect(read("README.md").split("\n").length).toBeLessThanOrEqual(250);
	});
});
