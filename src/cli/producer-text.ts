/** The producer of `append --producer ID:EPOCH:SEQ`. */

import { fail } from "../core/errors.ts";
import { describe } from "../core/options.ts";
import { checkTriple, type ProducerTriple } from "../core/producers.ts";
import { parseCount } from "./units.ts";

/** Reads `ID:EPOCH:SEQ`; the id ends at the last two colons, and may hold others. */
export function parseProducer(text: string, option: string): ProducerTriple {
	const [, id, epoch, sequence] = /^(.*):([^:]*):([^:]*)$/s.exec(text) ?? [];
	if (id === undefined || epoch === undefined || sequence === undefined) {
		throw fail("INVALID_OPTION", `${option} must be ID:EPOCH:SEQ, such as camera-1:0:0, not ${describe(text)}`, {
			details: { option },
		});
	}
	if (id === "") throw fail("INVALID_OPTION", `the ID of ${option} is empty`, { details: { option } });
	const triple = {
		id,
		epoch: parseCount(epoch, `EPOCH of ${option}`),
		sequence: parseCount(sequence, `SEQ of ${option}`),
	};
	return checkTriple(triple, option);
}
