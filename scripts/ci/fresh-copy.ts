/** A copy of the work tree as a newcomer gets it: what git holds or would add, nothing that was built or installed. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/**
 * Makes a copy, calls `use` with its folder and with the environment outside of npm, and removes the copy.
 * In that environment the project's own Node is not on the path.
 */
export function withFreshCopy(root: string, use: (copy: string, outsideEnv: NodeJS.ProcessEnv) => void): void {
	const copy = mkdtempSync(join(tmpdir(), "streambed-fresh-"));
	try {
		for (const name of files(root)) cpSync(join(root, name), join(copy, name));
		use(copy, outsideEnv(process.env));
	} finally {
		rmSync(copy, { recursive: true, force: true });
	}
}

function files(root: string): readonly string[] {
	const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
	const names = execFileSync("git", args, { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }).split("\0");
	return names.filter((name) => name !== "" && existsSync(join(root, name)));
}

/** Takes out what `npm run` has put in. */
export function outsideEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
	const kept = Object.entries(env).filter(([name]) => !/^(npm_|INIT_CWD$|NODE$)/.test(name));
	const path = (env.PATH ?? "").split(delimiter).filter((part) => !/node_modules|node-gyp-bin/.test(part));
	return { ...Object.fromEntries(kept), PATH: path.join(delimiter) };
}
