/** SIGINT and SIGTERM as one AbortSignal: the first ends the work in order, a second one ends the process. */

/** Signals that end a command, and the exit codes that say so. */
const signalExits: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };

/** What aborted a command. */
export class Interruption {
	readonly #controller = new AbortController();
	readonly #listeners: readonly (readonly [string, () => void])[];
	#exitCode: number | undefined;

	constructor() {
		this.#listeners = Object.entries(signalExits).map(
			([name, code]) => [name, () => this.#onSignal(name, code)] as const,
		);
		for (const [name, listener] of this.#listeners) process.on(name, listener);
	}

	get signal(): AbortSignal {
		return this.#controller.signal;
	}

	/** Exit code of the signal that came, or `undefined`. */
	get exitCode(): number | undefined {
		return this.#exitCode;
	}

	/** Gives the signals back. */
	dispose(): void {
		for (const [name, listener] of this.#listeners) process.off(name, listener);
	}

	#onSignal(name: string, code: number): void {
		if (this.#exitCode !== undefined) process.exit(code);
		this.#exitCode = code;
		this.#controller.abort(new Error(`received ${name}`));
	}
}
