/**
 * The contract suite: what every engine has to do, whatever it stores bytes in. An engine proves itself by passing
 * it; what the engine's manifest denies, the suite tries all the same and expects to be refused.
 */
import { manifestCases, persistenceCases } from "./abilities.ts";
import { appendCases } from "./appends.ts";
import { type EngineUnderTest, Suite } from "./context.ts";
import { multipartCases, persistentMultipartCases } from "./multipart.ts";
import { nodeStreamCases } from "./node.ts";
import { persistentProducerCases, producerCases, producerWriterCases } from "./producers.ts";
import { readerCases } from "./reader.ts";
import { persistentRecordPartsCases, recordPartsCases } from "./record-parts.ts";
import { recordReaderCases } from "./record-reader.ts";
import { recordRetryCases } from "./record-retries.ts";
import { recordStepCases } from "./record-steps.ts";
import { persistentRecordCases, recordStreamCases } from "./record-streams.ts";
import { partsUsageCases, persistentRecordUsageCases, recordUsageCases } from "./record-usage.ts";
import { recordValueCases } from "./record-values.ts";
import { recordWriterCases } from "./record-writer.ts";
import { recordAppendCases } from "./records.ts";
import { keptRetentionCases, retentionCases } from "./retention.ts";
import { streamCases } from "./streams.ts";
import { truncationCases } from "./truncation.ts";
import { writerCases } from "./writer.ts";

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
	common: 195,
	persistent: 14,
	retention: 15,
	keptRetention: 5,
	multipart: 20,
	keptMultipart: 5,
	records: 107,
	keptRecords: 3,
	recordParts: 19,
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
			suite.area("record streams in use", () => recordUsageCases(suite));
			suite.area("record streams", () => {
				recordStreamCases(suite);
				recordRetryCases(suite);
			});
		}
		if (records && persistent) {
			suite.area("record streams over reopening", () => {
				persistentRecordCases(suite);
				persistentRecordUsageCases(suite);
			});
		}
		if (retention) suite.area("retention", () => retentionCases(suite));
		if (both) suite.area("retention over reopening", () => keptRetentionCases(suite));
		if (multipart) suite.area("writes in parts", () => multipartCases(suite));
		if (multipart && persistent) suite.area("writes in parts over reopening", () => persistentMultipartCases(suite));
		if (multipart && records) {
			suite.area("records in parts", () => {
				recordPartsCases(suite);
				partsUsageCases(suite);
			});
		}
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
