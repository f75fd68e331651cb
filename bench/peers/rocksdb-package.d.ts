/** What we use of it; it brings no types. */
declare module "@nxtedition/rocksdb" {
	interface Batch {
		put(key: Uint8Array, value: Uint8Array): this;
		write(options: { sync: boolean }): Promise<void>;
	}
	interface Entries {
		nextv(count: number): Promise<(readonly [key: Uint8Array, value: Uint8Array])[]>;
		close(): Promise<void>;
	}
	class RocksLevel {
		constructor(location: string, options: { keyEncoding: "buffer"; valueEncoding: "buffer" });
		open(options: { createIfMissing: boolean }): Promise<void>;
		batch(): Batch;
		iterator(options: { highWaterMarkBytes: number }): Entries;
		close(): Promise<void>;
	}
}
