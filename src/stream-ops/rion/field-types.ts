/** The types of RION fields: the upper four bits of a field's first byte. */

/** Type codes by name. */
export const RionType = {
	bytes: 0,
	boolean: 1,
	intPositive: 2,
	intNegative: 3,
	float: 4,
	utf8: 5,
	utf8Short: 6,
	utcDateTime: 7,
	reserved8: 8,
	reserved9: 9,
	array: 10,
	table: 11,
	object: 12,
	key: 13,
	keyShort: 14,
	extended: 15,
} as const;

/** Name of a type code. */
export type RionTypeName = keyof typeof RionType;

const names = Object.keys(RionType) as RionTypeName[];

/** The name of a type code from 0 to 15. */
export function rionTypeName(type: number): RionTypeName {
	return names[type] as RionTypeName;
}

/** Where the length of a field stands. */
export const Shape = {
	/** In the first byte, and there is no value. */
	tiny: 0,
	/** In the first byte. */
	short: 1,
	/** In bytes of its own, as many as the first byte says. */
	normal: 2,
	/** As normal, behind a byte that extends the type. */
	extended: 3,
} as const;

/** Shape of each type. */
export const shapes: Uint8Array = Uint8Array.of(2, 0, 1, 1, 1, 2, 1, 1, 2, 2, 2, 2, 2, 2, 1, 3);

/** The types of short shape as bits. */
export const shortShapes: number = shapes.reduce((bits, shape, type) => (shape === 1 ? bits | (1 << type) : bits), 0);

/** Composites that may be nested, one inside another. The Java reader has the same limit. */
export const maxDepth = 64;
