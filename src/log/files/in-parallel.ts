/** The same work for many files or folders, a few at a time. */

/** So many at the same time where others read meanwhile: libuv has four threads, and reads must not starve. */
const AT_ONCE = 2;
/** So many while a store is being opened: nobody else is there. */
export const AT_ONCE_ALONE = 4;

/** Does the work for all items, `atOnce` at a time; the first failure is told once nothing is under way any more. */
export async function inParallel<T>(
	items: Iterable<T>,
	work: (item: T) => Promise<void>,
	atOnce: number = AT_ONCE,
): Promise<void> {
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
	const outcomes = await Promise.allSettled(Array.from({ length: atOnce }, worker));
	for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}
