/** Syncs of many files and folders. */

/** So many at the same time: libuv has four threads, and reads must not starve. */
const AT_ONCE = 2;

/** Does the work for all items, two at a time; the first failure is told once nothing is under way any more. */
export async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
	const rest = items[Symbol.iterator]();
	let failed = false;
	const worker = async (): Promise<void> => {
		for (let next = rest.next(); next.done !== true && !failed; next = rest.next()) {
			try {
				await work(next.value);
			} catch (error) {
				failed = true;
				throw error;
			}
		}
	};
	const outcomes = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
	for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}
