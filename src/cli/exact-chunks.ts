/** Cuts input at places that depend on nothing but its bytes, so that the same input gives the same chunks again. */

/** Chunks of exactly `bytes` each, the last one of what is left. */
export async function* exactChunks(input: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
	let chunk = new Uint8Array(bytes);
	let filled = 0;
	for await (const piece of input) {
		for (let at = 0; at < piece.length; ) {
			const taken = piece.subarray(at, at + bytes - filled);
			chunk.set(taken, filled);
			filled += taken.length;
			at += taken.length;
			if (filled < bytes) continue;
			yield chunk;
			chunk = new Uint8Array(bytes);
			filled = 0;
		}
	}
	if (filled > 0) yield chunk.subarray(0, filled);
}
