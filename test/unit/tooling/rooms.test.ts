/** The rooms of the log stand on one another: ARCHITECTURE.md lists them from the bottom up. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const log = join(root, "src", "log");
const written = readFileSync(join(root, "ARCHITECTURE.md"), "utf8").split("### Rooms of the log")[1]?.split("\n## ")[0];
const rooms = Array.from((written ?? "").matchAll(/^\| `([a-z-]+)` \|/gm), ([, room = ""]) => room);

/** Imports of a file of the log, given as `room/file.ts`, that lead to a room above its own. */
function upwards(path: string, text: string): readonly string[] {
	const floor = (name: string): number => (name.includes("/") ? rooms.indexOf(posix.dirname(name)) : rooms.length);
	return Array.from(text.matchAll(/from "(\.{1,2}\/[^"]+)"/g), ([, to = ""]) => posix.join(posix.dirname(path), to))
		.filter((to) => !to.startsWith("../") && floor(to) > floor(path))
		.map((to) => `${path} imports ${to}`);
}

describe("rooms of the log", () => {
	it("are those that ARCHITECTURE.md lists", () => {
		const folders = readdirSync(log, { withFileTypes: true }).filter((entry) => entry.isDirectory());
		expect(folders.map(({ name }) => name).sort()).toEqual([...rooms].sort());
	});

	it("import nothing from a room above", () => {
		const files = readdirSync(log, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
		expect(files.length).toBeGreaterThan(50);
		expect(files.flatMap((name) => upwards(name, readFileSync(join(log, name), "utf8")))).toEqual([]);
	});

	it("are told by where a file lies", () => {
		const text =
			'import type { a } from "../care/a.ts";\nimport { b } from "../../core/b.ts";\nexport { c } from "../log-store.ts";';
		expect(upwards("journal/x.ts", text)).toEqual([
			"journal/x.ts imports care/a.ts",
			"journal/x.ts imports log-store.ts",
		]);
		expect(upwards("log-store.ts", text.replaceAll("../c", "./c"))).toEqual([]);
	});
});
