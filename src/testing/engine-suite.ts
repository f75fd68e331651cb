/**
 * The contract suite: what every engine has to do, whatever it stores bytes in. An engine proves itself by passing
 * it; what the engine's manifest denies, the suite tries all the same and expects to be refused.
 */
import { manifestCases, persistenceCases } from "./engine-suite-abilities.ts";
import { appendCases } from "./engine-suite-appends.ts";
import { type EngineUnderTest, Suite } from "./engine-suite-context.ts";
import { nodeStreamCases } from "./engine-suite-node.ts";
import { persistentProducerCases, producerCases, producerWriterCases } from "./engine-suite-producers.ts";
import { readerCases } from "./engine-suite-reader.ts";
import { streamCases } from "./engine-suite-streams.ts";
import { truncationCases } from "./engine-suite-truncation.ts";
import { writerCases } from "./engine-suite-writer.ts";

/** How many cases there are: for every engine, and for persistent ones on top. A lost case shows as a failure. */
export const engineSuiteCases: { readonly common: number; readonly persistent: number } = Object.freeze({
	common: 192,
	persistent: 14,
});

/** Registers the suite for an engine with the test functions given. All of its cases must run: skip none. */
export function testEngine(engine: EngineUnderTest): void {
	const suite = new Suite(engine);
	const { common, persistent } = engineSuiteCases;
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
		if (engine.manifest.persistent) {
			suite.area("persistence", () => {
				persistenceCases(suite);
				persistentProducerCases(suite);
			});
		}
		engine.it("every case of the suite has run and passed", async () => {
			engine.expect(suite.registered, "registered").toBe(common + (engine.manifest.persistent ? persistent : 0));
			engine.expect(suite.finished, "passed").toBe(suite.registered);
		});
	});
}
