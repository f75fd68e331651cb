import { describe, expect, it } from "vitest";
import { Acknowledgements } from "../../../src/cli/acknowledgements.ts";

const appended = (from: number, to: number): { from: number; to: number; duplicate: boolean } => ({
	from,
	to,
	duplicate: false,
});

describe("acknowledgements", () => {
	it("are handed on in the order of the input, whatever order they come in", async () => {
		const seen: number[] = [];
		const acknowledged = new Acknowledgements(
			({ from }) => {
				seen.push(from);
			},
			() => {},
		);
		const answers = [0, 1, 2].map(() => Promise.withResolvers<ReturnType<typeof appended>>());
		for (const { promise } of answers) await acknowledged.add(promise, 10);
		for (const index of [2, 0, 1]) answers[index]?.resolve(appended(index * 10, index * 10 + 10));
		await acknowledged.settled();
		expect(seen).toEqual([0, 10, 20]);
		expect(acknowledged).toMatchObject({ appends: 3, bytes: 30, from: 0, to: 30 });
	});

	it("stop at the first failure, which is told once, and count nothing behind it", async () => {
		let failures = 0;
		const acknowledged = new Acknowledgements(
			() => {},
			() => failures++,
		);
		await acknowledged.add(Promise.resolve(appended(0, 5)), 5);
		await acknowledged.add(Promise.reject(new Error("first")), 4);
		await acknowledged.add(Promise.resolve(appended(9, 12)), 3);
		await acknowledged.add(Promise.reject(new Error("second")), 4);
		await expect(acknowledged.settled()).rejects.toThrow("first");
		expect(acknowledged).toMatchObject({ appends: 1, bytes: 5, to: 5 });
		expect(failures).toBe(1);
	});

	it("fail when handing one on does, and stop the input", async () => {
		let failures = 0;
		const acknowledged = new Acknowledgements(
			() => Promise.reject(new Error("stdout is full")),
			() => failures++,
		);
		await acknowledged.add(Promise.resolve(appended(0, 5)), 5);
		await acknowledged.add(Promise.resolve(appended(5, 9)), 4);
		await expect(acknowledged.settled()).rejects.toThrow("stdout is full");
		expect(acknowledged.to).toBe(5);
		expect(failures).toBe(1);
	});

	it("take no more than 4,096 appends that wait", async () => {
		const acknowledged = new Acknowledgements(
			() => {},
			() => {},
		);
		const answer = Promise.withResolvers<ReturnType<typeof appended>>();
		for (let i = 0; i < 4095; i++) await acknowledged.add(answer.promise, 1);
		let taken = false;
		const last = acknowledged.add(answer.promise, 1).then(() => {
			taken = true;
		});
		for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
		expect(taken).toBe(false);
		answer.resolve(appended(0, 1));
		await last;
		expect(acknowledged.appends).toBe(4096);
	});

	it("wait for a slow line of stdout before the next one", async () => {
		const room = Promise.withResolvers<void>();
		const seen: number[] = [];
		const acknowledged = new Acknowledgements(
			async ({ from }) => {
				seen.push(from);
				await room.promise;
			},
			() => {},
		);
		await acknowledged.add(Promise.resolve(appended(0, 1)), 1);
		await acknowledged.add(Promise.resolve(appended(1, 2)), 1);
		for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
		expect(seen).toEqual([0]);
		room.resolve();
		await acknowledged.settled();
		expect(seen).toEqual([0, 1]);
	});
});
