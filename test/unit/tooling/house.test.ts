/** The house rules that no linter knows. Each check is a function over text, shown to find something, then applied. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const MAX_LINES = 500;

/** All files of the project but fixtures and what is built or installed; also where there is no git. */
function projectFiles(): readonly string[] {
	const args = ["--exclude-dir=node_modules", "--exclude-dir=.git", "--exclude-dir=dist", "--exclude-dir=coverage"];
	const listed = execFileSync("grep", ["-rIl", "", ...args, "."], { cwd: root, encoding: "utf8" }).split("\n");
	return listed
		.map((name) => name.replace("./", ""))
		.filter((name) => name !== "" && !/^(test\/fixtures|data|demo-out)\//.test(name));
}

interface Rule {
	readonly name: string;
	readonly applies: (path: string) => boolean;
	/** What is wrong in a file, in words. */
	readonly find: (path: string, text: string) => readonly string[];
	/** A file that breaks the rule. */
	readonly bad: readonly [path: string, text: string];
}

const isSource = (path: string): boolean => path.startsWith("src/") && path.endsWith(".ts");
const isCode = (path: string): boolean => /\.(ts|js)$/.test(path);
const isMarkdown = (path: string): boolean => path.endsWith(".md");

function matches(text: string, pattern: RegExp): readonly string[] {
	return text.split("\n").flatMap((line, index) => {
		const found = pattern.exec(line)?.[0];
		return found === undefined ? [] : [`line ${index + 1}: ${found}`];
	});
}

/** Fenced code is no prose: `# comment` in it is no title and `[x](y)` no link. */
function withoutCode(markdown: string): string {
	return markdown
		.replaceAll(/^(```+)[^\n]*\n.*?^\1$/gms, (block) => block.replaceAll(/[^\n]/g, ""))
		.replaceAll(/`[^`\n]*`/g, "");
}

/** The anchors that headings give, as they are written in links. */
function anchors(markdown: string): ReadonlySet<string> {
	const headings = withoutFences(markdown).matchAll(/^#+ (.*)$/gm);
	return new Set(
		Array.from(headings, ([, heading = ""]) =>
			heading
				.toLowerCase()
				.replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
				.trim()
				.replaceAll(/\s/g, "-"),
		),
	);
}

function withoutFences(markdown: string): string {
	return markdown.replaceAll(/^(```+)[^\n]*\n.*?^\1$/gms, "");
}

function brokenLinks(path: string, text: string): readonly string[] {
	const links = Array.from(withoutCode(text).matchAll(/\]\(([^)\s]+)[^)]*\)/g), (match) => match[1] ?? "");
	return links
		.filter((link) => !/^[a-z]+:/.test(link))
		.filter((link) => {
			const [file = "", anchor] = decodeURIComponent(link).split("#");
			const target = file === "" ? path : join(dirname(path), file);
			if (file !== "" && !existsSync(join(root, target))) return true;
			const markdown = file === "" ? text : anchor === undefined ? "" : readFileSync(join(root, target), "utf8");
			return anchor !== undefined && isMarkdown(target) && !anchors(markdown).has(anchor);
		});
}

const rules: readonly Rule[] = [
	{
		name: `files of src have at most ${MAX_LINES} lines`,
		applies: isSource,
		find: (_, text) => (text.split("\n").length > MAX_LINES + 1 ? [`${text.split("\n").length} lines`] : []),
		bad: ["src/log/long.ts", "\n".repeat(MAX_LINES + 1)],
	},
	{
		name: "files are named after the one thing that they hold",
		applies: isCode,
		find: (path) => matches(basename(path), /^(utils?|helpers?|types|common|misc|shared|constants)\./),
		bad: ["src/core/utils.ts", ""],
	},
	{
		name: "nothing is left to do in a comment",
		applies: (path) => isCode(path) && !path.endsWith("house.test.ts"),
		find: (_, text) => matches(text, /\b(TODO|FIXME|XXX|HACK)\b/),
		bad: ["src/core/names.ts", "// TODO: later"],
	},
	{
		name: "types are imported by import statements",
		applies: (path) => isSource(path),
		find: (_, text) => matches(text, /(?<!await |return |=> |= |\* .*)\bimport\("[^"]+"\)\.\w/),
		bad: ["src/log/a.ts", 'type A = readonly import("../stream/a.ts").A[];'],
	},
	{
		name: "only the command line prints",
		applies: (path) => isSource(path) && !path.startsWith("src/cli/"),
		find: (_, text) => matches(text, /\bconsole\.\w+\(|\bprocess\.(stdout|stderr)\b/),
		bad: ["src/log/a.ts", 'console.log("x");'],
	},
	{
		name: "only the command line reads the environment",
		applies: (path) => isSource(path) && !path.startsWith("src/cli/"),
		find: (_, text) => matches(text, /\bprocess\.env\b/),
		bad: ["src/index.ts", "const a = process.env.HOME;"],
	},
	{
		name: "documents have exactly one title, at their beginning",
		applies: isMarkdown,
		find: (_, text) => {
			const titles = matches(withoutCode(text), /^# .*/);
			return titles.length === 1 && text.startsWith("# ") ? [] : [`titles: ${titles.join(", ") || "none"}`];
		},
		bad: ["docs/a.md", "# One\n\n# Two\n"],
	},
	{
		name: "links lead to something",
		applies: isMarkdown,
		find: brokenLinks,
		bad: ["docs/a.md", "# A\n\n[b](no-such-file.md)\n"],
	},
	{
		name: "no absolute path of a machine on which somebody worked is mentioned",
		applies: (path) => path !== "package-lock.json",
		find: (_, text) =>
			matches(text, /(?<![\w.~$})-])\/(wor[k]|far[m]|roo[t]|hom[e]|User[s])\/\w|bash_job[s]|registry[.]npm/),
		bad: ["README.md", `# A\n\nsee /${"work"}/main\n`],
	},
	{
		// The formatter sees to code.
		name: "documents end with one line break and have no line breaks of other systems",
		applies: isMarkdown,
		find: (_, text) => (text.includes("\r") || (text !== "" && !/[^\n]\n$/.test(text)) ? ["line breaks"] : []),
		bad: ["docs/a.md", "# A\r\n"],
	},
];

describe("house rules", () => {
	const files = projectFiles().map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));

	it("look at the whole project", () => {
		const paths = files.map(({ path }) => path);
		expect(paths).toEqual(expect.arrayContaining(["package.json", "src/core/errors.ts", "docs/format.md", ".ci/run"]));
	});

	for (const rule of rules) {
		it(rule.name, () => {
			const [badPath, badText] = rule.bad;
			expect(rule.applies(badPath) && rule.find(badPath, badText)).not.toHaveLength(0);
			const wrong = files
				.filter(({ path }) => rule.applies(path))
				.flatMap(({ path, text }) => rule.find(path, text).map((problem) => `${path}: ${problem}`));
			expect(wrong).toEqual([]);
		});
	}

	it("tell anchors that exist from those that do not", () => {
		const text = "# One title\n\n## Who `may`, and why?\n\n```sh\n# no heading\n```\n";
		expect(brokenLinks("docs/a.md", `${text}[x](#who-may-and-why) [y](#no-heading)`)).toEqual(["#no-heading"]);
		expect(brokenLinks("docs/a.md", "[x](../CONTRIBUTING.md#layers) [y](../CONTRIBUTING.md#nothing)")).toEqual([
			"../CONTRIBUTING.md#nothing",
		]);
	});

	it("keep addresses of registries out of the lock file, and every platform in it", () => {
		const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
			packages: Record<string, { resolved?: string; optionalDependencies?: Record<string, string> }>;
		};
		const entries = Object.entries(lock.packages);
		expect(entries.filter(([, entry]) => entry.resolved !== undefined).map(([name]) => name)).toEqual([]);
		const optional = entries.flatMap(([, entry]) => Object.keys(entry.optionalDependencies ?? {}));
		expect(optional.filter((name) => !(`node_modules/${name}` in lock.packages))).toEqual([]);
	});
});
