/** Cases: what records hold, at its bounds, and values that a serializer cannot encode. */
import type { StreambedError } from "../../core/errors.ts";
import type { RecordInput } from "../../core/record.ts";
import { json, pair, utf8 } from "../../core/serializer.ts";
import { rion } from "../../stream-ops/rion/index.ts";
import { bytesOf, type Suite } from "./context.ts";
import { recordCase, tails } from "./records.ts";

/** Registers the cases. */
export function recordValueCases(suite: Suite): void {
	boundCases(suite);
	encodeCases(suite);
}

function boundCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "what a record holds comes back the same at its bounds, as plain arrays", async ({ records }) => {
		const stream = await records("r");
		const given: RecordInput[] = [
			{ value: new Uint8Array(0), key: "", headers: {}, clientInfo: new Uint8Array(0), eventTime: 0 },
			{ value: bytesOf("a"), headers: JSON.parse('{"__proto__":"x","":"","\\u0000":"\\u0000"}'), eventTime: -0 },
			{ value: bytesOf("b"), eventTime: Number.MIN_SAFE_INTEGER },
			{ value: bytesOf("c"), clientInfo: Buffer.from("info"), eventTime: Number.MAX_SAFE_INTEGER },
			{ value: Buffer.from("d"), key: "\u0000\n𝄞", headers: { "\n": "𝄞" } },
		];
		for (const each of given) await stream.append(each);
		for (const copy of [false, true]) {
			let index = 0;
			for await (const found of stream.read({ copy })) {
				const { value, key = null, headers = {}, clientInfo = null, eventTime = null } = given[index++] as RecordInput;
				suite.sameBytes(found.value, value);
				expect([found.key, found.eventTime]).toEqual([key, eventTime === null ? null : eventTime + 0]);
				expect(Object.entries(found.headers)).toEqual(Object.entries(headers ?? {}));
				expect(found.clientInfo === null).toBe(clientInfo === null);
				suite.sameBytes(found.clientInfo ?? new Uint8Array(0), clientInfo ?? new Uint8Array(0));
				for (const each of [found.value, found.clientInfo ?? new Uint8Array(0)]) {
					expect(Object.getPrototypeOf(each)).toBe(Uint8Array.prototype);
				}
			}
			expect(index).toBe(given.length);
		}
	});
}

function encodeCases(suite: Suite): void {
	const { expect } = suite;

	recordCase(suite, "values in RION come back as they were, and what is none is named", async ({ records }) => {
		const stream = await records("r");
		const values = [null, true, 7, -1.5, "grüße", bytesOf("b"), [1, [2, "x"]], { a: 1, b: { c: "d" } }];
		const typed = stream.as(rion);
		await typed.append(values.map((value) => ({ value })));
		const writer = typed.writer();
		await writer.write({ value: { last: 1 } });
		await writer.close();
		const found = await Array.fromAsync(typed.read({ copy: true }), ({ value }) => value);
		expect(found).toEqual([...values, { last: 1 }]);
		await stream.append({ value: bytesOf("") });
		const steps = typed.read({ from: { last: 1 } })[Symbol.asyncIterator]();
		const error = await steps.next().catch((reason: StreambedError) => reason);
		suite.isError(error, "STREAMBED_DECODE", { shard: 0, sequence: 9 });
		expect((error as StreambedError).message).toContain("its value is no rion");
		const refused = await typed.append({ value: (() => 1) as never }).catch((reason: StreambedError) => reason);
		suite.isError(refused, "STREAMBED_INVALID_OPTION");
		expect((refused as StreambedError).message).toContain("cannot be encoded as rion");
	});

	recordCase(
		suite,
		"a value that its serializer cannot encode is refused by its number, with what was thrown, and nothing of the call is stored",
		async ({ records }) => {
			const stream = await records("r", 2);
			const circle: { self?: unknown } = {};
			circle.self = circle;
			const thrown = new Error("no number");
			const numbers = pair<number>(
				(value) => {
					if (Number.isNaN(value)) throw thrown;
					return bytesOf(`${value}`);
				},
				(stored) => stored.length,
			);
			const calls = [
				stream.as(json()).append([{ value: 1 }, { value: circle }]),
				stream.as(json()).append([{ value: 1 }, { value: 10n }]),
				stream.as(json()).append([{ value: 1 }, { value: () => 1 }]),
				stream.as(utf8).append([{ value: "a" }, { value: "\ud800" }]),
				stream.as(numbers).append([{ value: 1 }, { value: Number.NaN }]),
			];
			for (const call of calls) {
				const error = await call.catch((reason: StreambedError) => reason);
				suite.isError(error, "STREAMBED_INVALID_OPTION");
				expect((error as StreambedError).message).toContain("record 1");
			}
			const single = stream.as(numbers).append({ value: Number.NaN });
			expect(await single.catch((reason: StreambedError) => reason.cause)).toBe(thrown);
			const writer = stream.as(json()).writer();
			await suite.fails(writer.write({ value: circle }).durable, "STREAMBED_INVALID_OPTION");
			await writer.close();
			expect(await tails(stream)).toEqual([0, 0]);
		},
	);
}
