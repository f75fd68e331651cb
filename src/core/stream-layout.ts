/**
 * How many shards a record stream has, and how it came to them. What keeps the order per key across a growth: a shard
 * that a growth has added is read only by who has read every older one up to where it stood at that growth.
 */

/** One growth of a stream. */
export interface Growth {
	/** Shards before it, and behind it. */
	readonly from: number;
	readonly to: number;
	/** When, milliseconds since 1970. */
	readonly at: number;
	/** Tails of the shards before it, at the moment of the growth; zeros at the end are left out. */
	readonly positions: readonly number[];
}

/** Shards of a stream now, and its growths, oldest first. */
export interface StreamLayout {
	readonly shards: number;
	readonly growth: readonly Growth[];
}

/** A layout that has never grown. */
export function newLayout(shards: number): StreamLayout {
	return { shards, growth: [] };
}

/** The layout behind a growth; `tails` are those of its shards at this moment. */
export function grown(layout: StreamLayout, to: number, at: number, tails: readonly number[]): StreamLayout {
	const positions = [...tails];
	while (positions.length > 0 && positions.at(-1) === 0) positions.pop();
	return { shards: to, growth: [...layout.growth, { from: layout.shards, to, at, positions }] };
}

/** The growth that has added a shard; `undefined` if it was there from the beginning. */
export function growthOf(layout: StreamLayout, shard: number): Growth | undefined {
	return layout.growth.find(({ from, to }) => shard >= from && shard < to);
}

/** Where a shard stood at a growth that came after it. */
export function positionAt(growth: Growth, shard: number): number {
	return growth.positions[shard] ?? 0;
}

/**
 * Tails as one moment may have had them: where an older shard's lies before a growth, as the files of a running owner may
 * look, those of the shards that it has added are put back to their heads.
 */
export function tailsAtOnce(
	{ growth }: StreamLayout,
	bounds: readonly { readonly head: number; readonly tail: number }[],
): number[] {
	const tails = bounds.map(({ tail }) => tail);
	for (const each of growth) {
		if (tails.slice(0, each.from).every((tail, shard) => tail >= positionAt(each, shard))) continue;
		for (let shard = each.from; shard < Math.min(each.to, tails.length); shard++)
			tails[shard] = bounds[shard]?.head ?? 0;
	}
	return tails;
}

/** Decodes what a descriptor says of growths; `undefined` if that makes no sense for so many shards. */
export function decodeGrowth(given: unknown, shards: number): readonly Growth[] | undefined {
	if (given === undefined) return [];
	if (!Array.isArray(given)) return undefined;
	const growths: Growth[] = [];
	for (const one of given as readonly unknown[]) {
		if (typeof one !== "object" || one === null) return undefined;
		const { from, to, at, positions } = one as Partial<Growth>;
		const before = growths.at(-1)?.to ?? from;
		if (!isPosition(from) || !isPosition(to) || !isPosition(at) || from < 1 || to <= from || from !== before) {
			return undefined;
		}
		if (!Array.isArray(positions) || positions.length > from || !positions.every(isPosition)) return undefined;
		growths.push({ from, to, at, positions });
	}
	const last = growths.at(-1);
	return last === undefined || last.to === shards ? growths : undefined;
}

function isPosition(value: unknown): value is number {
	return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
