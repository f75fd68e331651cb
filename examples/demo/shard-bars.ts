/** A bar for each shard, as a terminal shows it. */

const width = 44;

/** A line for each shard: full blocks for what it held when the stream grew, lighter ones for what came behind. */
export function shardBars(counts: readonly number[], before: readonly number[]): string[] {
	const most = Math.max(1, ...Array.from(counts, (count) => count ?? 0));
	return Array.from(counts, (given, shard) => {
		const count = given ?? 0;
		const grown = before.length > 0;
		const old = grown ? Math.min(before[shard] ?? 0, count) : count;
		const full = Math.round((count / most) * width);
		const solid = Math.min(full, Math.round((old / most) * width));
		const bar = `${"█".repeat(solid)}${"▒".repeat(full - solid)}`;
		return `  shard ${String(shard).padStart(2)}  ${bar.padEnd(width)}  ${count.toLocaleString("en").padStart(9)}`;
	});
}
