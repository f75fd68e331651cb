/** Commands on a file system that is really full: which are refused with 6, which still work, and all do once there is room. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CliProcess, type Ended } from "../e2e/cli-process.ts";
import { mountSmall, type SmallFileSystem } from "./small-file-system.ts";

/** Counted as skipped, so that nobody takes it for tried. */
const NO_MOUNT = "no file system may be mounted here";

let small: SmallFileSystem | undefined;
beforeAll(async () => {
	small = await mountSmall(32);
});
afterAll(async () => {
	await small?.unmount();
});

async function run(command: string, input: Uint8Array | string = ""): Promise<Ended> {
	const { path: cwd } = small as SmallFileSystem;
	return await new CliProcess(`${command} --json`.split(" "), { cwd }).finish(input);
}

/** What comes of commands, by command: `fine`, or the exit and the code of the error. */
async function outcomes(commands: readonly string[]): Promise<Record<string, string>> {
	const found: Record<string, string> = {};
	for (const command of commands) {
		const ended = await run(command, "more\n");
		found[command] = ended.code === 0 ? "fine" : `${ended.code} ${ended.error().code}`;
	}
	return found;
}

function all(commands: readonly string[], outcome: string): Record<string, string> {
	return Object.fromEntries(commands.map((command) => [command, outcome]));
}

async function prepared(): Promise<string> {
	return (await run("append ./d/s/txn --prepare", "x")).lines<{ id: string }>()[0]?.id ?? "";
}

describe("commands on a full disk", () => {
	it("say so with 6 where they need room, as all that change anything do once the reserve is used up", {
		timeout: 120_000,
	}, async ({ skip }) => {
		if (small === undefined) return skip(NO_MOUNT);
		await run("append ./d/s/a", Buffer.alloc(100_000, "x"));
		for (const name of ["r", "s"]) await run(`append ./d/s/${name} --lines`, "a\nb\n");
		const [first, second] = [await prepared(), await prepared()];
		await run("export ./d/s/r ./java --format stream-ops");
		const changing = [
			"append ./d/s/a",
			"append ./d/s/a --atomic",
			"append ./d/s/txn --prepare",
			"append ./d/s/r --lines",
			"append ./d/s/r --lines --atomic",
			"append ./d/s/new --lines",
			"create ./d/s/b",
			"create ./other/s/b",
			"grow ./d/s/r --shards 9",
			`txn commit ./d/s/txn ${first}`,
			"seal ./d/s/s",
			"import stream-ops ./java ./d/s/r",
		];
		const copying = ["backup ./copy --store d", "export ./d/s/r ./out --format stream-ops"];
		const reading = ["read ./d/s/a", "info ./d/s/r", "list ./d", "verify ./d"];
		// The reserve gives room to open the store, and for what frees some.
		const freeing = ["truncate ./d/s/a --before offset:50000", `txn abort ./d/s/txn ${second}`, "checkpoint ./d"];

		let free = await small.fill();
		expect(await outcomes([...copying, ...changing])).toEqual(all([...copying, ...changing], "6 STREAMBED_DISK_FULL"));
		expect(await outcomes([...reading, ...freeing])).toEqual(all([...reading, ...freeing], "fine"));

		// What the reserve has given goes to others as well.
		await free();
		free = await small.fill();
		const dropping = "delete ./d/s/a --yes";
		const more = ["truncate ./d/s/a --before offset:60000", "checkpoint ./d", "seal ./d/s/s"];
		expect(await outcomes([...more, dropping])).toEqual(all([...more, dropping], "6 STREAMBED_DISK_FULL"));
		expect(await outcomes(reading)).toEqual(all(reading, "fine"));

		await free();
		const rest = [...more, "create ./other/s/b", "grow ./d/s/r --shards 9", ...copying, dropping];
		expect(await outcomes(rest)).toEqual(all(rest, "fine"));
	});
});
