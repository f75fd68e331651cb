/** Something that the user of the demo can mend: a wrong option, a file that is no picture, a folder in use. */
export class DemoError extends Error {
	readonly hint: string;
	/** Files that it is about. */
	readonly files: readonly string[];

	constructor(message: string, hint: string, files: readonly string[] = []) {
		super(message);
		this.name = "DemoError";
		this.hint = hint;
		this.files = files;
	}
}
