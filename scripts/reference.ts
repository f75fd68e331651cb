/**
 * Writes the pages of docs/reference that follow from the code: errors.md, api.md, cli.md.
 * `npm run docs` writes them; `npm run docs -- --check` changes nothing and exits with 1 if a page is out of date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { apiPage } from "./reference/api-page.ts";
import { cliPage } from "./reference/cli-page.ts";
import { errorsPage } from "./reference/errors-page.ts";

const pages: readonly (readonly [name: string, make: () => string])[] = [
	["errors.md", errorsPage],
	["api.md", apiPage],
	["cli.md", cliPage],
];

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const folder = new URL("../docs/reference/", import.meta.url);

for (const [name, make] of pages) {
	const path = new URL(name, folder);
	const wanted = make();
	if (readOr(path, "") === wanted) continue;
	if (values.check) {
		console.error(`docs/reference/${name} is out of date; run: npm run docs`);
		process.exitCode = 1;
	} else {
		writeFileSync(path, wanted);
		console.log(`wrote docs/reference/${name}`);
	}
}

function readOr(path: URL, missing: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return missing;
		throw error;
	}
}
