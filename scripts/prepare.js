// Builds dist/; npm runs it after `npm ci` in a clone and before `npm pack`, so that `npx streambed` works at once.
// JavaScript, because it also has to run on a Node that does not know TypeScript.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = `${root}node_modules/typescript/bin/tsc`;

if (existsSync(tsc)) {
	rmSync(`${root}dist`, { recursive: true, force: true });
	const build = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
	process.exitCode = build.status ?? 1;
} else {
	console.error("streambed: not built, the development dependencies are missing; run `npm ci` without --omit=dev");
}
