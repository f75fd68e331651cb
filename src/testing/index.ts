/** Helpers for tests: of engines, and of programs that use Streambed. */
export { type CrashDisk, type CrashDiskOptions, crashDisk } from "./crash-disk.ts";
export { engineSuiteCases, testEngine } from "./engine-suite.ts";
export type { EngineUnderTest, SuiteMatchers, SuiteStore, SuiteStoreOptions } from "./engine-suite-context.ts";
export { ManualClock } from "./manual-clock.ts";
