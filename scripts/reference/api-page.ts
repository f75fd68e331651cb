/** docs/reference/api.md: every exported name of the package, from the declarations that `tsc` emits. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Declaration, type DeclarationKind, exportsOf } from "./declarations.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const groups: readonly (readonly [title: string, kinds: readonly DeclarationKind[]])[] = [
	["Functions", ["function"]],
	["Classes", ["class"]],
	["Values", ["const"]],
	["Types", ["interface", "type"]],
];

/** Makes the page. */
export function apiPage(): string {
	const folder = mkdtempSync(join(tmpdir(), "streambed-api-"));
	try {
		emitDeclarations(folder);
		const lines = [
			"# API",
			"",
			"<!-- Generated from the declarations of the package by `npm run docs`. -->",
			"",
			"All that can be imported, entry by entry. Positions, sizes and times are numbers; sizes are bytes, times are",
			"milliseconds since 1970. Error codes stand in [errors](errors.md) and are written here without their prefix.",
		];
		for (const [entry, path] of entries()) lines.push(...section(entry, exportsOf(join(folder, path))));
		return `${lines.join("\n")}\n`;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** `streambed/testing` → `testing/index.d.ts`, as package.json says. */
function entries(): readonly (readonly [entry: string, path: string])[] {
	const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
		name: string;
		exports: Record<string, string | { types: string }>;
	};
	return Object.entries(manifest.exports).flatMap(([subpath, target]) =>
		typeof target === "string"
			? []
			: [[manifest.name + subpath.slice(1), target.types.replace("./dist/", "")] as const],
	);
}

function emitDeclarations(folder: string): void {
	const args = ["-p", "tsconfig.build.json", "--emitDeclarationOnly", "--outDir", folder];
	const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
	const run = spawnSync(process.execPath, [tsc, ...args], { cwd: root, encoding: "utf8" });
	if (run.status !== 0 && !existsSync(join(folder, "index.d.ts"))) {
		throw new Error(`tsc ended with ${run.status}:\n${run.stdout}${run.stderr}`);
	}
}

function section(entry: string, declarations: readonly Declaration[]): readonly string[] {
	const lines = ["", `## ${entry}`];
	for (const [title, kinds] of groups) {
		const members = declarations
			.filter(({ kind }) => kinds.includes(kind))
			.toSorted((a, b) => (a.name < b.name ? -1 : 1));
		if (members.length === 0) continue;
		lines.push("", `### ${title}`);
		for (const { name, doc, code } of members) {
			lines.push("", `#### ${name}`, "", ...(doc === "" ? [] : [prose(doc), ""]), "```ts", code, "```");
		}
	}
	return lines;
}

/** Turns a docstring into Markdown: links become names, tags become lines of their own. */
function prose(doc: string): string {
	return doc
		.replaceAll(/\{@link (\w+)\}/g, "`$1`")
		.replaceAll(/\s*@param (\w+)\s*/g, "\n- `$1`: ")
		.replaceAll(/\s*@returns\s*/g, "\n- Returns: ")
		.replaceAll(/\s*@throws\s*/g, "\n- Errors: ")
		.replaceAll(/\s*@see\s*/g, "\n- See: ")
		.replace(/\n- /, "\n\n- ");
}
