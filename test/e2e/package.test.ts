/** The package as users get it: packed, installed in an empty project, and used there as README.md says. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firstSnippet } from "./readme-snippet.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const TWO_MINUTES_MS = 120_000;

/** What `npm pack` needs; a copy, so that dist/ of the work tree is not built under other tests. */
const sources = ["bin", "src", "scripts", "package.json", "README.md", "CHANGELOG.md", "LICENSE", ".npmrc"];

describe("the package", () => {
	let folder: string;
	let project: string;
	let packed: { readonly filename: string; readonly files: readonly { readonly path: string }[] };

	function run(command: string, args: readonly string[], cwd: string): string {
		return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
	}

	beforeAll(() => {
		folder = mkdtempSync(join(tmpdir(), "streambed-package-"));
		const copy = join(folder, "copy");
		for (const name of [...sources, "tsconfig.json", "tsconfig.build.json"]) {
			cpSync(join(root, name), join(copy, name), { recursive: true });
		}
		symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
		const report = run("npm", ["pack", "--json", "--foreground-scripts=false", "--pack-destination", folder], copy);
		packed = JSON.parse(report)[0];
		project = join(folder, "project");
		mkdirSync(project);
		writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
		run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, packed.filename)], project);
	}, TWO_MINUTES_MS);

	afterAll(() => rmSync(folder, { recursive: true, force: true }));

	it("holds what was built, the launcher and four documents, and nothing else", () => {
		const paths = packed.files.map(({ path }) => path);
		expect(paths).toEqual(
			expect.arrayContaining(["dist/index.js", "dist/index.d.ts", "dist/testing/index.js", "dist/cli/main.js"]),
		);
		const documents = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"];
		expect(paths.filter((path) => !/^(dist\/.*\.(js|d\.ts)|bin\/[a-z-]+\.(js|d\.ts))$/.test(path)).toSorted()).toEqual(
			documents.toSorted(),
		);
	});

	it("has nothing that publint complains about", async () => {
		const tarball = readFileSync(join(folder, packed.filename));
		const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(tarball).buffer }, strict: true });
		expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
	});

	it("brings no package but commander, and nothing to run at installation", () => {
		const installed = JSON.parse(run("npm", ["ls", "--all", "--json"], project));
		expect(Object.keys(installed.dependencies)).toEqual(["streambed"]);
		expect(Object.keys(installed.dependencies.streambed.dependencies)).toEqual(["commander"]);
		const manifest = JSON.parse(readFileSync(join(project, "node_modules/streambed/package.json"), "utf8"));
		expect(manifest.scripts).not.toHaveProperty("install");
		expect(manifest.scripts).not.toHaveProperty("postinstall");
	});

	it("runs the first snippet of the README", () => {
		const { code, output } = firstSnippet(readFileSync(join(root, "README.md"), "utf8"));
		expect(code).toContain('from "streambed"');
		writeFileSync(join(project, "snippet.ts"), code);
		const snippet = spawnSync(process.execPath, ["snippet.ts"], { cwd: project, encoding: "utf8", timeout: 20_000 });
		expect(snippet.stderr).toBe("");
		expect(snippet.status).toBe(0);
		if (output !== undefined) expect(snippet.stdout.trimEnd()).toBe(output.trimEnd());
	});

	it("type-checks the first snippet of the README", () => {
		const { code } = firstSnippet(readFileSync(join(root, "README.md"), "utf8"));
		const checked = join(project, "checked");
		mkdirSync(checked);
		writeFileSync(join(checked, "snippet.ts"), code);
		const options = {
			strict: true,
			module: "nodenext",
			target: "es2024",
			lib: ["es2024", "esnext.disposable"],
			types: ["node"],
			typeRoots: [join(root, "node_modules", "@types")],
			noEmit: true,
		};
		writeFileSync(join(checked, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["snippet.ts"] }));
		const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
		const check = spawnSync(process.execPath, [tsc, "-p", checked], { encoding: "utf8" });
		expect(check.stdout).toBe("");
		expect(check.status).toBe(0);
	});

	it("lets a CommonJS program load the library", () => {
		const code =
			'const { open, StreambedError } = require("streambed"); console.log(typeof open, typeof StreambedError)';
		expect(run(process.execPath, ["--input-type=commonjs", "-e", code], project)).toBe("function function\n");
	});

	it("has RION and the streams of Stream Ops as entries of their own", () => {
		const code = `
			import { rion, wrap } from "streambed/rion";
			import { StreamStorageRootFS } from "streambed/stream-ops";
			const storage = await new StreamStorageRootFS("./streams").createStreamStorage("s");
			await storage.openForAppend();
			await storage.append(rion.encode({ a: 1 }));
			await storage.closeForAppend();
			for await (const { offset, bytes } of storage.records()) console.log(offset, rion.decode(bytes), wrap("x").length);
		`;
		expect(run(process.execPath, ["--input-type=module", "-e", code], project)).toBe("0 { a: 1 } 2\n");
	});

	it("loads neither the command line nor its parser with the library", () => {
		const code = `
			import { registerHooks } from "node:module";
			const loaded = [];
			registerHooks({ resolve: (name, context, next) => { const found = next(name, context); loaded.push(found.url); return found; } });
			const { open } = await import("streambed");
			await (await open("memory:")).close();
			console.log(JSON.stringify(loaded));
		`;
		const loaded: string[] = JSON.parse(run(process.execPath, ["--input-type=module", "-e", code], project));
		expect(loaded.length).toBeGreaterThan(5);
		expect(loaded.filter((url) => !url.startsWith("node:") && !url.includes("/streambed/dist/"))).toEqual([]);
		expect(loaded.filter((url) => /\/dist\/(cli|testing)\//.test(url))).toEqual([]);
	});

	it("has a command line that works where it is installed", () => {
		const streambed = join(project, "node_modules", ".bin", "streambed");
		const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
		expect(run("npx", ["streambed", "--version"], project)).toBe(`${version}\n`);
		writeFileSync(join(project, "in.txt"), "hello\n");
		run(streambed, ["append", "./data/web/log", "in.txt"], project);
		expect(run(streambed, ["read", "./data/web/log"], project)).toBe("hello\n");
		expect(existsSync(join(project, "data", "store.json"))).toBe(true);
		run(streambed, ["backup", "copy"], project);
		expect(run(streambed, ["repair", "--store", "copy"], project)).toBe("nothing is wrong with copy\n");
		const bench = run(streambed, ["bench", "append", "--rounds", "1", "--round-time", "20ms", "--dir", "."], project);
		expect(bench).toMatch(/^WORK .*RATIO\n/);
	});

	it("ends quietly when nobody reads its output any more", () => {
		const script = "set -o pipefail; node_modules/.bin/streambed --help | true";
		expect(spawnSync("bash", ["-c", script], { cwd: project, encoding: "utf8" })).toMatchObject({
			status: 0,
			stderr: "",
		});
	});
});
