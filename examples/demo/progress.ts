/** What the demo says while it runs: on a terminal one line that changes, elsewhere a line for each step. */

/** Where progress goes. */
export interface Output {
	readonly isTTY?: boolean;
	/** Characters in a line of a terminal. */
	readonly columns?: number;
	write(text: string): unknown;
}

/** Reports steps and how far they are. */
export class Progress {
	readonly #output: Output;
	#shownAt = Number.NEGATIVE_INFINITY;
	/** Lines of the running step that are shown, to be taken away. */
	#open = 0;

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
		this.block(() => [text]);
	}

	/** The same in several lines, which are made only if they are shown. */
	block(lines: () => readonly string[]): void {
		const time = performance.now();
		if (this.#output.isTTY !== true || time - this.#shownAt < 50) return;
		this.#shownAt = time;
		this.#clear();
		// A line that the terminal breaks would be two to take away.
		const longest = Math.min(79, (this.#output.columns ?? 80) - 1);
		const shown = lines().map((line) => printable(line).slice(0, longest));
		this.#output.write(shown.join("\n"));
		this.#open = shown.length;
	}

	/** Takes unfinished lines away. */
	end(): void {
		this.#clear();
	}

	#clear(): void {
		if (this.#open > 1) this.#output.write(`\u001b[${this.#open - 1}A`);
		if (this.#open > 0) this.#output.write("\r\u001b[J");
		this.#open = 0;
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
