/** What an engine can do. Users read it, and the contract suite skips by it alone and tries what it denies. */
import type { StreamKind } from "../core/stream-config.ts";

/** The declared abilities of an engine. */
export interface Manifest {
	/** Name of the engine. */
	readonly engine: "memory" | "local";
	/** Streams outlive `close()`. */
	readonly persistent: boolean;
	/** Kinds of stream that can be created. */
	readonly kinds: readonly StreamKind[];
	/** Positions have no holes. */
	readonly densePositions: boolean;
	/** `retention` of a stream moves the head. */
	readonly retention: boolean;
	/** Appends may carry a producer triple. */
	readonly producers: boolean;
	/** Writes beyond the limit of one append that become visible as a whole. */
	readonly multipart: boolean;
	/** A second process may read while the owner writes. */
	readonly readersBesideOwner: boolean;
	/** Durability modes that can be chosen. */
	readonly durability: readonly Durability[];
}

/**
 * `sync`: an acknowledged append survives a machine that stops. `os`: it survives a killed process, and may vanish
 * when the machine stops. `memory`: it is gone with the process.
 */
export type Durability = "sync" | "os" | "memory";
