#!/usr/bin/env node
// Starts the command line. The Node that runs this file may be older than the one Streambed needs, so it keeps to
// syntax and modules that old releases know, and looks for a newer Node beside itself before it gives up.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isAtLeast, oldNodeMessage } from "./node-version.js";

const here = fileURLToPath(import.meta.url);
const needed = readJson(join(dirname(here), "..", "package.json")).engines.node.replace(">=", "");
const LAUNCHED = "STREAMBED_LAUNCHED";
const launched = process.env[LAUNCHED] === "1";
delete process.env[LAUNCHED];

if (isAtLeast(process.versions.node, needed)) {
	if (launched) dieWithLauncher();
	void run();
} else {
	const newer = launched ? undefined : findNode();
	if (newer) launch(newer);
	else refuse(oldNodeMessage(process.versions.node, needed));
}

async function run() {
	const cli = await import("../dist/cli/main.js").catch((error) => {
		if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
		refuse(
			`error: streambed is not built, or not installed completely: ${error.message}\n  hint     in a clone run: npm run build\n`,
		);
	});
	if (cli) process.exitCode = await cli.main(process.argv.slice(2));
}

function refuse(message) {
	process.stderr.write(message);
	process.exitCode = 1;
}

/** The binary of the npm package `node`, which every clone has as a development dependency, if it is new enough. */
function findNode() {
	try {
		const manifest = createRequire(here).resolve("node/package.json");
		const binary = join(dirname(manifest), "bin", "node");
		return isAtLeast(readJson(manifest).version, needed) && existsSync(binary) ? binary : undefined;
	} catch (error) {
		if (error.code === "MODULE_NOT_FOUND") return undefined;
		throw error;
	}
}

/** Runs this file again with another Node and ends as it ends. */
function launch(binary) {
	// The channel carries nothing: it closes when this process is gone, even by SIGKILL, and the child follows.
	const child = spawn(binary, [here].concat(process.argv.slice(2)), {
		env: Object.assign({}, process.env, { [LAUNCHED]: "1" }),
		stdio: ["inherit", "inherit", "inherit", "ipc"],
	});
	const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
		process.on(signal, () => {
			// A terminal sends Ctrl-C to both processes; a second one would tell the child to hurry.
			if (signal !== "SIGINT" || !terminal) child.kill(signal);
		});
	}
	child.on("error", (error) => refuse(`error: cannot start ${binary}: ${error.message}\n`));
	child.on("exit", (code, signal) => {
		if (signal === null) process.exit(code);
		process.removeAllListeners(signal);
		process.kill(process.pid, signal);
	});
}

function dieWithLauncher() {
	if (!process.channel) return;
	process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
	process.channel.unref();
}

function readJson(path) {
	return JSON.parse(readFileSync(path, "utf8"));
}
