import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/testing/index.ts";

describe("a manual clock", () => {
	it("stands still until it is moved, and moves both times", () => {
		const clock = new ManualClock(1000);
		expect([clock.now(), clock.monotonic()]).toEqual([1000, 0]);
		clock.advance(250);
		expect([clock.now(), clock.monotonic()]).toEqual([1250, 250]);
	});

	it("fires the timers that come due in their order, at their time", () => {
		const clock = new ManualClock(0);
		const fired: [string, number][] = [];
		clock.setTimer(30, () => fired.push(["late", clock.now()]));
		clock.setTimer(10, () => {
			fired.push(["early", clock.now()]);
			clock.setTimer(5, () => fired.push(["nested", clock.now()]));
		});
		clock.setTimer(99, () => fired.push(["never", clock.now()]));
		clock.advance(50);
		expect(fired).toEqual([
			["early", 10],
			["nested", 15],
			["late", 30],
		]);
		expect(clock.timers).toBe(1);
	});

	it("tells how far away the next timer is", () => {
		const clock = new ManualClock();
		expect(clock.nextTimerMs).toBe(Number.POSITIVE_INFINITY);
		clock.setTimer(30, () => {});
		const sooner = clock.setTimer(20, () => {});
		clock.advance(5);
		expect(clock.nextTimerMs).toBe(15);
		sooner.cancel();
		expect(clock.nextTimerMs).toBe(25);
		clock.setTimer(-1, () => {});
		expect(clock.nextTimerMs).toBe(0);
	});

	it("does not fire a cancelled timer", () => {
		const clock = new ManualClock();
		const timer = clock.setTimer(10, () => expect.fail("fired"));
		timer.cancel();
		timer.cancel();
		clock.advance(20);
		expect(clock.timers).toBe(0);
	});

	it("steps the wall clock alone, in either direction", () => {
		const clock = new ManualClock(1000);
		clock.step(-600);
		expect([clock.now(), clock.monotonic()]).toEqual([400, 0]);
	});
});
