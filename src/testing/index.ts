/** Helpers for tests: of engines, and of programs that use Streambed. */
export { type CrashDisk, type CrashDiskOptions, crashDisk } from "./crash-disk.ts";
export type { EngineUnderTest, SuiteMatchers, SuiteStore, SuiteStoreOptions } from "./engine-suite/context.ts";
export { engineSuiteCases, testEngine } from "./engine-suite/engine-suite.ts";
export { type DiskEvent, type DiskOperation, type FaultRule, type FaultyDisk, faultyDisk } from "./faulty-disk.ts";
export { ManualClock } from "./manual-clock.ts";
export { type MemoryDiskOptions, memoryDisk } from "./memory-disk.ts";
export { type MemoryLocker, memoryLocker } from "./memory-locker.ts";
