/**
 * Names of scopes and streams, and the folder names they become. The only place that knows the rules.
 *
 * A name part is 1 to 240 bytes once encoded, valid UTF-8, without control characters, not `.` or `..`. A scope is one
 * part, a stream one or more joined by `/` (at most 1,000 bytes). On disk: `<scope>/<part>/…/<last>.stream`, with
 * `% \ : * ? " < > |`, a leading `.`, a trailing dot or space, and a part's own ending `.stream` percent-encoded.
 */
import { fail } from "./errors.ts";
import { describe } from "./options.ts";

/** Ending of a folder that holds a stream. */
export const streamSuffix = ".stream";

const maxPartBytes = 240;
const maxStreamBytes = 1000;

/** Scope and stream name of one stream. */
export interface StreamAddress {
	readonly scope: string;
	readonly stream: string;
}

/** The address as people write it: `scope/stream`. */
export function formatAddress(address: StreamAddress): string {
	return `${address.scope}/${address.stream}`;
}

/** Checks both names of an address; scopes that begin with `_` are refused unless `reserved` allows them. */
export function checkAddress(scope: unknown, stream: unknown, reserved = false): StreamAddress {
	return { scope: checkScopeName(scope, reserved), stream: checkStreamName(stream) };
}

/** Checks a scope's name and returns it. */
export function checkScopeName(name: unknown, reserved = false): string {
	const part = checkPart(name, "scope", name);
	if (part.includes("/")) throw invalid("scope", name, "a scope is one part, without /");
	if (part.startsWith("_") && !reserved) throw invalid("scope", name, "scopes that begin with _ are reserved");
	return part;
}

/** Checks a stream's name (one or more parts) and returns it. */
export function checkStreamName(name: unknown): string {
	if (typeof name !== "string") throw invalid("stream", name, "it must be a string");
	for (const part of name.split("/")) checkPart(part, "stream", name);
	const bytes = Buffer.byteLength(name);
	if (bytes > maxStreamBytes) throw invalid("stream", name, `it has ${bytes} bytes, the limit is ${maxStreamBytes}`);
	return name;
}

/** Splits `scope/stream` and checks both names. */
export function parseAddress(text: string): StreamAddress {
	const slash = text.indexOf("/");
	if (slash < 0) {
		throw fail("INVALID_NAME", `address ${describe(text)} has no stream: expected scope/stream`, {
			hint: `For example ${text || "web"}/clicks.`,
		});
	}
	return checkAddress(text.slice(0, slash), text.slice(slash + 1));
}

/** The folder of a stream below `streams/`, with `/` between parts. */
export function streamFolder(address: StreamAddress): string {
	const parts = [address.scope, ...address.stream.split("/")].map(encodePart);
	return parts.join("/") + streamSuffix;
}

/** The address of a folder below `streams/`, or `undefined` if no name is stored like this. */
export function addressOfFolder(folder: string): StreamAddress | undefined {
	if (!folder.endsWith(streamSuffix)) return undefined;
	const parts: string[] = [];
	for (const part of folder.slice(0, -streamSuffix.length).split("/")) {
		const name = decodePart(part);
		if (name === undefined) return undefined;
		parts.push(name);
	}
	const [scope, ...rest] = parts;
	if (scope === undefined || rest.length === 0) return undefined;
	try {
		return checkAddress(scope, rest.join("/"), true);
	} catch {
		return undefined;
	}
}

/** The folder name of one part. */
export function encodePart(part: string): string {
	let text = part.replace(/[%\\:*?"<>|]/g, percent);
	text = text.replace(/^\./, percent).replace(/[. ]$/, percent);
	if (text.endsWith(streamSuffix)) text = `${text.slice(0, -streamSuffix.length)}%2Estream`;
	return text;
}

/** The part that a folder name stands for, or `undefined` if {@link encodePart} never makes that name. */
export function decodePart(folder: string): string | undefined {
	if (/%(?![0-9A-F]{2})/.test(folder)) return undefined;
	const part = folder.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
	return part !== "" && encodePart(part) === folder ? part : undefined;
}

function percent(character: string): string {
	return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

function checkPart(part: unknown, what: string, whole: unknown): string {
	if (typeof part !== "string") throw invalid(what, whole, "it must be a string");
	if (part === "") throw invalid(what, whole, "a part is empty");
	if (part === "." || part === "..") throw invalid(what, whole, `"${part}" is no name`);
	if (!part.isWellFormed()) throw invalid(what, whole, "it is not valid Unicode (a lone surrogate)");
	// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
	const control = /[\u0000-\u001f\u007f-\u009f]/.exec(part);
	if (control) throw invalid(what, whole, `it holds the control character U+${hex4(control[0])}`);
	const bytes = Buffer.byteLength(encodePart(part));
	if (bytes > maxPartBytes)
		throw invalid(what, whole, `a part has ${bytes} bytes as stored, the limit is ${maxPartBytes}`);
	return part;
}

function hex4(character: string): string {
	return character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
}

function invalid(what: string, name: unknown, why: string): Error {
	return fail("INVALID_NAME", `${what} name ${describe(name)} is invalid: ${why}`, { details: { name: String(name) } });
}
