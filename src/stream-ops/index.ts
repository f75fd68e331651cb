/** Streams of Stream Ops: folders that its Java library and this one read and write alike. */
export { StreamStorageBlockFS } from "./block.ts";
export type { BlockLayout } from "./block-layout.ts";
export type { StreamCheck, StreamProblem } from "./block-walk.ts";
export type { StreamDurability } from "./block-writer.ts";
export { type IndexEntry, StreamStorageIndexFS } from "./record-index.ts";
export type { StreamStorageOptions } from "./storage-options.ts";
export type { RecordsOptions, StreamRecord, StreamRecords } from "./stream-records.ts";
export { type RecordProcessor, StreamStorageFS } from "./stream-storage-fs.ts";
export { StreamStorageRootFS, StreamStorageRootFS as StreamStorageFSRoot } from "./stream-storage-root-fs.ts";
export type { CutTail, TornTail } from "./torn-tail.ts";
