/**
 * Flags of V8 for processes that run tests. Up to two fifths of their time went into collecting garbage: each 64 MiB of
 * new buffers, of which disks in memory make many, set off a collection of everything, however little was in use.
 */
export const garbageFlags: readonly string[] = [
	// Buffers count like all else towards a bound that follows what is in use, which begins here.
	"--external-memory-accounted-in-global-limit",
	"--initial-old-space-size=256",
	// Two processes run side by side, one for each of two cores: threads that collect would take turns with them.
	"--single-threaded-gc",
];
