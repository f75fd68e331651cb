/** Errors of the library about what it was given, in the words of the command line's options. */
import { StreambedError } from "../core/errors.ts";

const flags: Readonly<Record<string, string>> = {
	from: "--from",
	to: "--to",
	fromCut: "--from-cut",
	toCut: "--to-cut",
	before: "--before",
	location: "--before",
	cut: "--before-cut",
	shard: "--shard",
};

const codes = ["STREAMBED_INVALID_OPTION", "STREAMBED_WRONG_KIND"] as const;

/** Runs a call of the library that passes on what options say; its errors name them. */
export async function withOptionNames<T>(call: () => Promise<T>): Promise<T> {
	try {
		return await call();
	} catch (thrown) {
		if (!codes.some((code) => StreambedError.is(thrown, code))) throw thrown;
		throw inOptions(thrown as StreambedError);
	}
}

function inOptions(error: StreambedError): StreambedError {
	const { code, message, hint, details } = error;
	// The first word is the name of what a message is about, unless a scope is called so.
	const text = message.replace(/^\w+(?=[ .])/, (word) => flags[word] ?? word);
	const option = flags[String(details.option)];
	return new StreambedError(code, text.replaceAll("{offset}", "offset:N").replaceAll("{sequence}", "seq:N"), {
		hint,
		details: option === undefined ? details : { ...details, option },
		cause: error,
	});
}
