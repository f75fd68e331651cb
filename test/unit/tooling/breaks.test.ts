/** The texts that the simulation's broken builds change, looked for at once: the runs themselves take minutes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { breaks } from "../../../scripts/simulate/breaks.ts";

const source = join(import.meta.dirname, "..", "..", "..", "src");
const edits = Object.entries(breaks).flatMap(([name, { edits = [] }]) => edits.map((edit) => ({ name, ...edit })));

describe("a line that a broken build changes", () => {
	it.each(edits)("stands once in the source: $name, $file", ({ file, from }) => {
		expect(readFileSync(join(source, file), "utf8").split(from).length - 1).toBe(1);
	});
});
