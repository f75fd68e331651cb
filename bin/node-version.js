// Compares versions of Node in syntax and with modules that old releases know as well.

/** Tells whether the version `found` ("20.20.2") is at least `needed` ("24.21.0"); what is no version is not. */
export function isAtLeast(found, needed) {
	const have = numbers(found);
	const want = numbers(needed);
	for (let i = 0; i < want.length; i++) {
		const part = i < have.length ? have[i] : 0;
		// A part that is no number is neither larger nor equal.
		if (part > want[i]) return true;
		if (part !== want[i]) return false;
	}
	return true;
}

/** What to tell somebody whose Node is older than `needed`. */
export function oldNodeMessage(found, needed) {
	return `error: streambed needs Node ${needed} or later, this is Node ${found}
  hint     install a current Node 24 from https://nodejs.org, or add it to your project: npm install node@24
`;
}

function numbers(version) {
	return String(version).split("-")[0].split(".").map(Number);
}
