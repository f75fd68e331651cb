/** What the demo says while it runs: on a terminal one line that changes, elsewhere a line for each step. */

/** Where progress goes. */
export interface Output {
	readonly isTTY?: boolean;
	write(text: string): unknown;
}

/** Reports steps and how far they are. */
export class Progress {
	readonly #output: Output;
	#shownAt = Number.NEGATIVE_INFINITY;
	#lineOpen = false;

	constructor(output: Output) {
		this.#output = output;
	}

	/** A finished step. */
	done(text: string): void {
		this.#clear();
		this.#output.write(`${printable(text)}\n`);
	}

	/** How far the running step is; on a terminal only, at most 20 times a second. */
	now(text: string): void {
		const time = performance.now();
		if (this.#output.isTTY !== true || time - this.#shownAt < 50) return;
		this.#shownAt = time;
		this.#clear();
		this.#output.write(printable(text).slice(0, 79));
		this.#lineOpen = true;
	}

	/** Takes an unfinished line away. */
	end(): void {
		this.#clear();
	}

	#clear(): void {
		if (this.#lineOpen) this.#output.write("\r\u001b[2K");
		this.#lineOpen = false;
	}
}

/** A size for people: `812 bytes`, `31.7 kB`, `10.4 MB`. */
export function formatBytes(bytes: number): string {
	if (bytes < 1000) return formatCount(bytes, "byte");
	const units = ["kB", "MB", "GB", "TB"];
	let [value, unit] = [bytes / 1000, 0];
	for (; value >= 999.95 && unit < units.length - 1; unit++) value /= 1000;
	return `${value.toFixed(1)} ${units[unit]}`;
}

/** `1 picture`, `5 pictures`. */
export function formatCount(count: number, noun: string): string {
	return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** Names of files may hold control characters; a terminal must not obey them. */
export function printable(text: string): string {
	// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
	return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
}
