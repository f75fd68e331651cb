import { describe, expect, it } from "vitest";
import type { CommandContext } from "../../../src/cli/command.ts";
import { IdleTimer } from "../../../src/cli/idle-timer.ts";
import { Output } from "../../../src/cli/output.ts";
import { scanFlags } from "../../../src/cli/program.ts";
import { Progress, progressLine } from "../../../src/cli/progress.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { fakeIo } from "./fake-io.ts";

const MiB = 1024 * 1024;

async function shown(
	tty: boolean,
	flags: string[],
	work: (progress: Progress, clock: ManualClock) => void,
): Promise<string> {
	const clock = new ManualClock();
	const fake = fakeIo("/");
	const io = { ...fake.io, clock, stderr: Object.assign(fake.io.stderr, { isTTY: tty, columns: 60 }) };
	const global = scanFlags(flags);
	const signal = new AbortController().signal;
	const context: CommandContext = {
		io,
		global,
		address: { store: undefined, environment: undefined, cwd: "/" },
		out: new Output(io, global, signal),
		signal,
	};
	work(new Progress(context, "verify", 100 * MiB), clock);
	await new Promise((resolve) => setImmediate(resolve));
	return fake.err();
}

describe("progress", () => {
	it("is a bar with share, bytes, rate and time left", () => {
		expect(progressLine("verify", 1.4 * 1024 * MiB, 2 * 1024 * MiB, 3500)).toBe(
			"verify  ███████░░░  70%  1.4 GiB of 2.0 GiB  410 MiB/s  1.5 s left",
		);
	});

	it("is a counter and a rate where the total is not known", () => {
		expect(progressLine("append", 3 * MiB, undefined, 1000)).toBe("append  3.0 MiB  3.0 MiB/s");
		expect(progressLine("append", 0, 0, 0)).toBe("append  0 B  0 B/s");
	});

	it("never promises more than all, nor divides by nothing", () => {
		expect(progressLine("verify", 3 * MiB, MiB, 1000)).toContain("██████████ 100%");
		expect(progressLine("verify", 0, MiB, 0)).toBe("verify  ░░░░░░░░░░   0%  0 B of 1.0 MiB  0 B/s");
	});

	it("shows nothing for work of less than half a second", async () => {
		expect(
			await shown(true, [], (progress, clock) => {
				clock.advance(499);
				progress.stop();
				clock.advance(60_000);
			}),
		).toBe("");
	});

	it("draws one line on a terminal, at most ten times a second, and removes it", async () => {
		const text = await shown(true, [], (progress, clock) => {
			progress.update(50 * MiB);
			clock.advance(1500);
			progress.stop();
			clock.advance(60_000);
		});
		const lines = text.split("\r\u001b[K");
		expect(lines).toHaveLength(1 + 11 + 1);
		expect(lines.at(-1)).toBe("");
		expect(text).not.toContain("\n");
		for (const line of lines) expect(line.length).toBeLessThan(60);
	});

	it("writes a plain line each ten seconds elsewhere, and none with --quiet", async () => {
		const work = (progress: Progress, clock: ManualClock): void => {
			progress.update(50 * MiB);
			clock.advance(25_000);
			progress.stop();
		};
		const text = await shown(false, [], work);
		expect(text.split("\n")).toHaveLength(3);
		expect(text).not.toContain("\r");
		expect(await shown(false, ["--quiet"], work)).toBe("");
		expect(await shown(true, ["--quiet"], work)).toBe("");
	});
});

describe("the idle timer", () => {
	it("aborts when data is waited for too long, and counts only waiting", async () => {
		const clock = new ManualClock();
		const idle = new IdleTimer(clock, 100);
		const first = Promise.withResolvers<string>();
		const watched = idle.watch(first.promise);
		clock.advance(99);
		first.resolve("data");
		expect(await watched).toBe("data");
		clock.advance(1000);
		expect(idle.signal.aborted).toBe(false);
		idle.watch(new Promise(() => {})).catch(() => {});
		clock.advance(100);
		expect(idle.signal.aborted).toBe(true);
	});

	it("without a time never aborts and sets no timer", async () => {
		const clock = new ManualClock();
		expect(await new IdleTimer(clock, undefined).watch(Promise.resolve(1))).toBe(1);
		expect(clock.timers).toBe(0);
	});
});
