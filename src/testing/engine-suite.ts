/**
 * The contract suite: what every engine has to do, whatever it stores bytes in. An engine proves itself by passing
 * it; what the engine's manifest denies, the suite tries all the same and expects to be refused.
 */
import { manifestCases, persistenceCases } from "./engine-suite-abilities.ts";
import { appendCases } from "./engine-suite-appends.ts";
import { type EngineUnderTest, Suite } from "./engine-suite-context.ts";
import { multipartCases, persistentMultipartCases } from "./engine-suite-multipart.ts";
import { nodeStreamCases } from "./engine-suite-node.ts";
import { persistentProducerCases, producerCases, producerWriterCases } from "./engine-suite-producers.ts";
import { readerCases } from "./engine-suite-reader.ts";
import { persistentRecordPartsCases, recordPartsCases } from "./engine-suite-record-parts.ts";
import { recordReaderCases } from "./engine-suite-record-reader.ts";
import { recordRetryCases } from "./engine-suite-record-retries.ts";
import { recordStepCases } from "./engine-suite-record-steps.ts";
import { persistentRecordCases, recordStreamCases } from "./engine-suite-record-streams.ts";
import { recordValueCases } from "./engine-suite-record-values.ts";
import { recordWriterCases } from "./engine-suite-record-writer.ts";
import { recordAppendCases } from "./engine-suite-records.ts";
import { keptRetentionCases, retentionCases } from "./engine-suite-retention.ts";
import { streamCases } from "./engine-suite-streams.ts";
import { truncationCases } from "./engine-suite-truncation.ts";
import { writerCases } from "./engine-suite-writer.ts";

/** How many cases there are: for every engine, and on top for those that can more. A lost case shows as a failure. */
export const engineSuiteCases: Readonly<
	Record<
		| "common"
		| "persistent"
		| "retention"
		| "keptRetention"
		| "multipart"
		| "keptMultipart"
		| "records"
		| "keptRecords"
		| "recordParts"
		| "keptRecordParts",
		number
	>
> = Object.freeze({
	common: 194,
	persistent: 14,
	retention: 14,
	keptRetention: 4,
	multipart: 20,
	keptMultipart: 4,
	records: 94,
	keptRecords: 2,
	recordParts: 13,
	keptRecordParts: 1,
});

/** Registers the suite for an engine with the test functions given. All of its cases must run: skip none. */
export function testEngine(engine: EngineUnderTest): void {
	const suite = new Suite(engine);
	const { persistent, retention, multipart, kinds } = engine.manifest;
	const records = kinds.includes("records");
	const both = persistent && retention;
	engine.describe(`the ${engine.name} engine keeps the contract:`, () => {
		suite.area("appends", () => appendCases(suite));
		suite.area("the writer", () => writerCases(suite));
		suite.area("truncation and sealing", () => truncationCases(suite));
		suite.area("the reader", () => readerCases(suite));
		suite.area("streams and stores", () => streamCases(suite));
		suite.area("Node streams", () => nodeStreamCases(suite));
		suite.area("the manifest", () => manifestCases(suite));
		suite.area("producers", () => {
			producerCases(suite);
			producerWriterCases(suite);
		});
		if (persistent) {
			suite.area("persistence", () => {
				persistenceCases(suite);
				persistentProducerCases(suite);
			});
		}
		if (records) {
			suite.area("appends of records", () => {
				recordAppendCases(suite);
				recordValueCases(suite);
			});
			suite.area("reading records", () => {
				recordReaderCases(suite);
				recordStepCases(suite);
			});
			suite.area("the writer of records", () => recordWriterCases(suite));
			suite.area("record streams", () => {
				recordStreamCases(suite);
				recordRetryCases(suite);
			});
		}
		if (records && persistent) suite.area("record streams over reopening", () => persistentRecordCases(suite));
		if (retention) suite.area("retention", () => retentionCases(suite));
		if (both) suite.area("retention over reopening", () => keptRetentionCases(suite));
		if (multipart) suite.area("writes in parts", () => multipartCases(suite));
		if (multipart && persistent) suite.area("writes in parts over reopening", () => persistentMultipartCases(suite));
		if (multipart && records) suite.area("records in parts", () => recordPartsCases(suite));
		if (multipart && records && persistent) {
			suite.area("records in parts over reopening", () => persistentRecordPartsCases(suite));
		}
		engine.it("every case of the suite has run and passed", async () => {
			const cases = engineSuiteCases;
			const more = (persistent ? cases.persistent : 0) + (retention ? cases.retention : 0);
			const parts = (multipart ? cases.multipart : 0) + (multipart && persistent ? cases.keptMultipart : 0);
			const ofRecords = (records ? cases.records : 0) + (records && persistent ? cases.keptRecords : 0);
			const inParts = multipart && records ? cases.recordParts + (persistent ? cases.keptRecordParts : 0) : 0;
			const all = inParts + ofRecords + cases.common + more + (both ? cases.keptRetention : 0) + parts;
			engine.expect(suite.registered, "registered").toBe(all);
			engine.expect(suite.finished, "passed").toBe(suite.registered);
		});
	});
}
