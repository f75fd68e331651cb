/**
 * Shows that the layer rules of biome.json can fail: in a copy of the folder structure, each file imports each layer,
 * and what Biome says is compared with the table below, in both directions.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const biome = join(root, "node_modules", ".bin", "biome");

/** A file of each layer, as somebody would import it. */
const targets = {
	core: "src/core/errors.ts",
	disk: "src/disk/disk.ts",
	log: "src/log/segments/segment.ts",
	contract: "src/engine/contract.ts",
	manifest: "src/engine/manifest.ts",
	memory: "src/engine/memory/memory-engine.ts",
	local: "src/engine/local/local-engine.ts",
	stream: "src/stream/scope.ts",
	bytes: "src/stream/bytes/byte-stream.ts",
	records: "src/stream/records/record-stream.ts",
	streamOps: "src/stream-ops/index.ts",
	rion: "src/stream-ops/rion/index.ts",
	storage: "src/stream-ops/stream-storage-fs.ts",
	index: "src/index.ts",
	cli: "src/cli/output.ts",
	commands: "src/cli/commands/read.ts",
	testing: "src/testing/index.ts",
} as const;
type Layer = keyof typeof targets;
type Import =
	| Layer
	| "commander"
	| "vitest"
	| "streambed"
	| "@scope/package"
	| "node:fs"
	| "node:fs/promises"
	| "node:net"
	| "node:sqlite";

const outside = ["node:fs", "node:fs/promises", "node:net", "node:sqlite"] as const;

/** Who may import what besides its own folder. What is not named here must be refused. */
const allowed: Readonly<Record<string, readonly Import[]>> = {
	"src/core": [],
	"src/disk": ["core", ...outside],
	"src/log": ["core", "disk", "log"],
	"src/log/format": ["core", "disk", "log"],
	"src/log/files": ["core", "disk", "log"],
	"src/log/segments": ["core", "disk"],
	"src/log/tail": ["core", "disk", "log"],
	"src/log/journal": ["core", "disk", "log"],
	"src/log/shards": ["core", "disk", "log"],
	"src/log/producers": ["core", "disk", "log"],
	"src/log/commit": ["core", "disk", "log"],
	"src/log/staged": ["core", "disk", "log"],
	"src/log/opening": ["core", "disk", "log"],
	"src/log/read-mode": ["core", "disk", "log"],
	"src/log/care": ["core", "disk", "log"],
	"src/engine": ["core"],
	"src/engine/memory": ["core", "contract", "manifest"],
	"src/engine/local": ["core", "disk", "log", "contract", "manifest"],
	"src/stream": ["core", "contract", "manifest", "bytes", "records"],
	"src/stream/bytes": ["core", "contract", "manifest", "stream"],
	"src/stream/records": ["core", "contract", "manifest", "stream"],
	"src/stream-ops": ["core", "disk", "rion"],
	"src/stream-ops/rion": ["core"],
	src: ["core", "disk", "log", "contract", "manifest", "memory", "local", "stream", "bytes", "records"],
	"src/cli": ["core", "index", "streamOps", "rion", "commander", ...outside],
	"src/cli/commands": ["core", "index", "streamOps", "rion", "cli", "commander", ...outside],
	"src/cli/bench": ["core", "index", "streamOps", "rion", "cli", "commander", ...outside],
	"src/cli/dump": ["core", "index", "streamOps", "rion", "cli", "commander", ...outside],
	"src/testing": ["core", "disk", "contract", "manifest", "stream", "bytes", "records", "index", ...outside],
	"src/testing/engine-suite": [
		"core",
		"disk",
		"contract",
		"manifest",
		"stream",
		"bytes",
		"records",
		"testing",
		"index",
		"rion",
		...outside,
	],
};

const imports: readonly Import[] = [
	...(Object.keys(targets) as Layer[]),
	...outside,
	"commander",
	"vitest",
	"streambed",
	"@scope/package",
];

interface Case {
	readonly folder: string;
	readonly target: Import;
	readonly line: number;
}

/** The front door is a single file; elsewhere the name of the file does not matter. */
function probe(folder: string): string {
	return folder === "src" ? "src/index.ts" : `${folder}/probe.ts`;
}

function specifier(folder: string, target: Import): string {
	if (!(target in targets)) return target;
	const path = posix.relative(folder, targets[target as Layer]);
	return path.startsWith(".") ? path : `./${path}`;
}

/** Is the target in the folder itself, so that no rule applies? */
function isOwn(folder: string, target: Import): boolean {
	if (!(target in targets)) return false;
	const path = targets[target as Layer];
	return path === probe(folder) || dirname(path) === folder || (folder === "src/cli" && target === "commands");
}

describe("layer rules", () => {
	let copy: string;
	beforeAll(() => {
		copy = mkdtempSync(join(tmpdir(), "streambed-layers-"));
		for (const name of ["biome.json", ".gitignore"]) copyFileSync(join(root, name), join(copy, name));
	});
	afterAll(() => rmSync(copy, { recursive: true, force: true }));

	/** Lints files given as path → lines, and returns `path:line` of each import that was refused. */
	function refused(files: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
		rmSync(join(copy, "src"), { recursive: true, force: true });
		for (const [path, lines] of files) {
			mkdirSync(dirname(join(copy, path)), { recursive: true });
			writeFileSync(join(copy, path), `${lines.join("\n")}\n`);
		}
		const args = ["lint", "--only=style/noRestrictedImports", "--reporter=json", "--max-diagnostics=none", "src"];
		const run = spawnSync(biome, args, { cwd: copy, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
		const report = JSON.parse(run.stdout) as {
			summary: { unchanged: number };
			diagnostics: { category: string; location: { path: string; start: { line: number } } }[];
		};
		expect(report.summary.unchanged, run.stderr).toBe(files.size);
		return new Set(
			report.diagnostics
				.filter((found) => found.category === "lint/style/noRestrictedImports")
				.map((found) => `${relative(copy, join(copy, found.location.path))}:${found.location.start.line}`),
		);
	}

	it("refuse each import that the table does not allow, and no other", () => {
		const files = new Map<string, string[]>();
		const cases: Case[] = [];
		for (const folder of Object.keys(allowed)) {
			const lines: string[] = [];
			for (const target of imports.filter((name) => !isOwn(folder, name))) {
				lines.push(`import { x${lines.length} } from "${specifier(folder, target)}";`);
				cases.push({ folder, target, line: lines.length });
			}
			files.set(probe(folder), lines);
		}
		const found = refused(files);
		const wrong = cases.flatMap(({ folder, target, line }) => {
			const may = allowed[folder]?.includes(target) ?? false;
			if (may !== found.has(`${probe(folder)}:${line}`)) return [];
			return [`${folder} ${may ? "may" : "may not"} import ${target}, Biome says otherwise`];
		});
		expect(wrong).toEqual([]);
		expect(found.size).toBeGreaterThan(100);
	});

	it("see every form of import, also of types and at run time", () => {
		const forms = [
			'import { a } from "../stream/a.ts";',
			'import type { b } from "../stream/a.ts";',
			'import "../stream/a.ts";',
			'export { c } from "../stream/a.ts";',
			'export * from "../stream/a.ts";',
			'const d = await import("../stream/a.ts");',
		];
		const found = refused(new Map([["src/log/forms.ts", forms]]));
		expect([...found].sort()).toEqual(forms.map((_, index) => `src/log/forms.ts:${index + 1}`));
	});

	it("exist for every folder of src", () => {
		const folders = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isDirectory())
			.map((entry) => relative(root, join(entry.parentPath, entry.name)));
		const lines = ['import { x } from "streambed/testing";', 'import { y } from "no-such-package";'];
		const found = refused(new Map(folders.map((folder) => [`${folder}/probe.ts`, lines])));
		expect(folders.length).toBeGreaterThan(5);
		for (const folder of folders) expect([...found], folder).toContain(`${folder}/probe.ts:2`);
		for (const folder of folders) expect(Object.keys(allowed), `${folder} stands in the table`).toContain(folder);
	});
});
