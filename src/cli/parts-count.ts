/** How many records were copied, told so that one in parts counts once. */
import { formatCount } from "./units.ts";

/** `5 records (large ones in 4 parts)`. */
export function countedRecords(records: number, parts: number): string {
	const text = `${formatCount(records)} ${records === 1 ? "record" : "records"}`;
	return parts === 0 ? text : `${text} (large ones in ${formatCount(parts)} parts)`;
}

/** The member of JSON that tells of parts, where there are any. */
export function partsTold(parts: number): { readonly parts?: number } {
	return parts === 0 ? {} : { parts };
}
