/** Cases: what records hold, at its bounds, and values that a serializer cannot encode. */
import type { StreambedError } from "../core/errors.ts";
import { json, pair, utf8 } from "../core/serializer.ts";
import { bytesOf, type Suite } from "./engine-suite-context.ts";
import { recordCase, tails } from "./engine-suite-records.ts";

/** Registers the cases. */
export function recordValueCases(suite: Suite): void {
	encodeCases(suite);
}

function encodeCases(suite: Suite): void {
	const { expect } = suite;

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
