/** The stream that somebody may have meant by an address that names none. */
import { formatAddress, type StreamAddress } from "../core/names.ts";
import { editDistance } from "../core/options.ts";

/**
 * The address that is nearest to `meant`, if its stream's name is near: off by at most a third of its letters, and its
 * scope likewise. A stream of exactly that name is near in any scope.
 */
export function nearestStream(meant: StreamAddress, known: readonly StreamAddress[]): string | undefined {
	let best: StreamAddress | undefined;
	let bestEdits = Number.POSITIVE_INFINITY;
	for (const candidate of known) {
		const edits = editsBetween(meant, candidate);
		if (edits >= bestEdits) continue;
		best = candidate;
		bestEdits = edits;
	}
	return best && formatAddress(best);
}

/** Edits that lead from one to the other, without end where they are not near. */
function editsBetween(meant: StreamAddress, candidate: StreamAddress): number {
	const ofStream = edits(meant.stream, candidate.stream);
	const ofScope = edits(meant.scope, candidate.scope);
	if (ofStream === 0 && ofScope === Number.POSITIVE_INFINITY) return Number.MAX_SAFE_INTEGER;
	return ofStream + ofScope;
}

function edits(word: string, candidate: string): number {
	const longer = Math.max(word.length, candidate.length);
	// Of two letters one may be wrong; of one letter nothing would be left.
	const most = longer === 2 ? 1 : Math.floor(longer / 3);
	const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), most + 1);
	return distance > most ? Number.POSITIVE_INFINITY : distance;
}
