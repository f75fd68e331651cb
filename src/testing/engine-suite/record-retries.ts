/** Cases: retries of a producer's records that come before the first try has been accepted, or with other records. */
import type { RecordAppended } from "../../stream/records/record-append.ts";
import { pattern, type Suite } from "./context.ts";
import { listed, rec, recordCase, tails } from "./records.ts";

const KiB = 1024;

/** Registers the cases. */
export function recordRetryCases(suite: Suite): void {
	const { expect } = suite;
	const places = (answers: readonly RecordAppended[]): string[] =>
		answers.map(({ shard, from, to, duplicate }) => `${shard}:${from}-${to} ${duplicate}`);

	recordCase(
		suite,
		"retries made while their first try still waits for room are told where that has gone",
		async ({ records }) => {
			const stream = await (await records("r", 4)).open();
			const producer = await stream.producer("p");
			const large = pattern(60 * KiB);
			const full = Array.from({ length: 3 }, () => stream.append({ value: large }));
			const calls = Array.from({ length: 12 }, (_, index) => {
				const given = Array.from({ length: 1 + (index % 3) }, (_each, at) =>
					rec(`${index}.${at}`, index % 4 === 3 ? `k${at}` : undefined),
				);
				const options = { producer: producer.next(), atomic: index % 4 === 3 };
				return () => stream.append(given.length === 1 ? (given[0] ?? []) : given, options);
			});
			const first = Promise.all(calls.map((call) => call()));
			const again = Promise.all(calls.map((call) => call()));
			await Promise.all(full);
			const wanted = (await first).flatMap(places).map((place) => place.replace("false", "true"));
			expect((await again).flatMap(places)).toEqual(wanted);
			expect((await listed(stream)).length).toBe(3 + wanted.length);
		},
		{ limits: { pendingBytes: 64 * KiB } },
	);

	recordCase(suite, "a retry with other records stores nothing, and makes no places up", async ({ records }) => {
		const stream = await records("r", 3);
		const triple = (await stream.producer("p")).next();
		const spread = [0, 1, 2].map((shard) => ({ ...rec("x"), shard }));
		await stream.append(spread, { producer: triple, atomic: true });
		const again = await stream.append([rec("x"), rec("y"), rec("z")], { producer: triple, shard: 1 });
		expect(places(again)).toEqual(["NaN:NaN-NaN true", "NaN:NaN-NaN true", "NaN:NaN-NaN true"]);
		expect(await tails(stream)).toEqual([1, 1, 1]);
	});
}
