/**
 * Addresses on the command line: `scope/stream` in the store of `--store`, `STREAMBED_STORE` or `./data`; or a path
 * such as `./data/cam/raw`, whose longest prefix that holds `store.json` is the store.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, StreambedError } from "../core/errors.ts";
import { addressOfFolder, parseAddress, type StreamAddress, streamSuffix } from "../core/names.ts";
import { describe } from "../core/options.ts";

/** Store that is used when nothing names one. */
const defaultStore = "./data";

/** Where the command line was given: what addresses are resolved against. */
export interface AddressContext {
	/** Value of `--store`. */
	readonly store: string | undefined;
	/** Value of `STREAMBED_STORE`. */
	readonly environment: string | undefined;
	/** Folder that relative paths begin at. */
	readonly cwd: string;
}

/** A folder that is, or is to become, a store. */
export interface StorePlace {
	/** As it is shown to people: relative where it was given so. */
	readonly shown: string;
	/** Absolute path. */
	readonly path: string;
}

/** A stream in a store. */
export interface StreamPlace extends StreamAddress {
	readonly store: StorePlace;
}

/** Tells whether an address is a path (or a URL) rather than `scope/stream`. */
export function isPath(text: string): boolean {
	return /^(\.{0,2}\/|\.{1,2}$)/.test(text) || schemeOf(text) !== undefined;
}

/** The store that is meant when no path names one. */
export function chosenStore(context: AddressContext): StorePlace {
	return storeAt(context.store ?? (context.environment || defaultStore), context);
}

/** Resolves the address of a stream; with `create`, a path without a store means one to be made there. */
export function resolveStream(text: string, context: AddressContext, create: boolean): StreamPlace {
	// Node puts U+FFFD in the place of argument bytes that are not UTF-8, so several names would become one.
	if (text.includes("\ufffd")) {
		throw fail("INVALID_NAME", `address ${describe(text)} is not valid UTF-8`, { details: { name: text } });
	}
	if (!isPath(text)) return { ...addressIn(text, context), store: chosenStore(context) };
	const path = pathOf(text, context);
	const found = splitAtStore(path, context) ?? (path.endsWith(streamSuffix) ? splitFolder(path, context) : undefined);
	if (found !== undefined) return { ...addressInStore(found.rest, text), store: found.store };
	if (create) return newStoreFor(path, text, context);
	throw fail("NOT_FOUND", `no store on the path ${text}: none of its folders holds store.json`, {
		hint: "Begin with the store's folder, as in ./data/scope/stream; `create` and `append` make a new store.",
		details: { path: resolve(context.cwd, path) },
	});
}

/** Checks what follows the store in a place of `resolvePrefix`: nothing, or a whole address. @throws INVALID_NAME */
export function requireWhole(prefix: string, text: string | undefined, context: AddressContext): void {
	if (prefix === "" || text === undefined) return;
	if (isPath(text)) addressInStore(prefix.split("/"), text);
	else addressIn(prefix, context);
}

/** Reads `scope/stream`; if the text leads to a folder that is a store, the error says how that is written. @throws INVALID_NAME */
function addressIn(text: string, context: AddressContext): StreamAddress {
	try {
		return parseAddress(text);
	} catch (error) {
		const path = storePathOf(text, context);
		if (path === undefined || !StreambedError.is(error)) throw error;
		throw new StreambedError(error.code, error.message, {
			hint: `${text} is a store: ${path} means the store, ${path}/scope/stream one of its streams.`,
			details: error.details,
			cause: error,
		});
	}
}

/** The path that somebody may have meant by an address, if it leads to a store: `./data` for `data`. */
export function storePathOf(text: string, context: AddressContext): string | undefined {
	if (text === "" || isPath(text) || context.store !== undefined) return undefined;
	const found = splitAtStore(normalize(text), context);
	return found === undefined || found.store.shown === "." ? undefined : `./${text}`;
}

/** Resolves what `list` and `verify` take: a prefix of `scope/stream`, or a path to a store and what follows in it. */
export function resolvePrefix(
	text: string | undefined,
	context: AddressContext,
): { store: StorePlace; prefix: string } {
	if (text === undefined || !isPath(text)) return { store: chosenStore(context), prefix: text ?? "" };
	const path = pathOf(text, context);
	const found = splitAtStore(path, context) ?? (path.endsWith(streamSuffix) ? splitFolder(path, context) : undefined);
	if (found === undefined) {
		throw fail("NOT_FOUND", `no store on the path ${text}: none of its folders holds store.json`, {
			hint: "Begin with the store's folder, as in ./data or ./data/scope; `create` and `append` make a new store.",
			details: { path: resolve(context.cwd, path) },
		});
	}
	const folder = folderAddress(found.rest);
	if (folder !== undefined) return { store: found.store, prefix: `${folder.scope}/${folder.stream}` };
	const slash = text.endsWith("/") && found.rest.length > 0 ? "/" : "";
	return { store: found.store, prefix: found.rest.join("/") + slash };
}

/** `file:` paths without the scheme; other schemes are refused. */
function pathOf(text: string, context: AddressContext): string {
	if (context.store !== undefined) {
		throw fail("INVALID_OPTION", `the path ${text} names a store of its own, and --store ${context.store} another`, {
			hint: "Give scope/stream with --store, or the path alone.",
		});
	}
	const path = normalize(filePath(text));
	return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

function storeAt(text: string, context: AddressContext): StorePlace {
	if (text === "") throw fail("INVALID_OPTION", "--store is empty: it must be a folder");
	return place(filePath(text), context);
}

function place(path: string, context: AddressContext): StorePlace {
	return { shown: path, path: resolve(context.cwd, path) };
}

function filePath(text: string): string {
	const scheme = schemeOf(text);
	if (scheme === undefined) return text;
	if (scheme === "memory") {
		throw fail("INVALID_OPTION", "a memory: store ends with the command that made it, so it is of no use here", {
			hint: "Name a folder.",
		});
	}
	if (scheme !== "file") {
		throw fail("UNSUPPORTED", `stores behind ${scheme}: are not reached by this version: ${describe(text)}`, {
			hint: "Name a folder, such as ./data.",
		});
	}
	if (!text.startsWith("file://")) return text.slice("file:".length);
	try {
		return fileURLToPath(text);
	} catch (error) {
		throw fail("INVALID_OPTION", `${describe(text)} is not a file URL of this machine`, {
			hint: "Write file:./data, file:/srv/data or the path alone.",
			cause: error,
		});
	}
}

/** A scheme that is known, or any that `//` follows: `web:prod/clicks` is a scope with a colon in its name. */
function schemeOf(text: string): string | undefined {
	const [, scheme, slashes] = /^([a-z][a-z0-9+.-]*):(\/\/)?/i.exec(text) ?? [];
	if (scheme === undefined) return undefined;
	const known = ["file", "memory", "http", "https", "kafka"].includes(scheme.toLowerCase());
	return known || slashes !== undefined ? scheme.toLowerCase() : undefined;
}

interface Split {
	readonly store: StorePlace;
	readonly rest: readonly string[];
}

/** Looks for store.json from the whole path towards its beginning. */
function splitAtStore(path: string, context: AddressContext): Split | undefined {
	let prefix = path;
	const rest: string[] = [];
	for (;;) {
		if (existsSync(join(resolve(context.cwd, prefix), "store.json"))) return { store: place(prefix, context), rest };
		const last = basename(prefix);
		if (prefix === "/" || prefix === "." || last === "..") return undefined;
		rest.unshift(last);
		prefix = dirname(prefix);
	}
}

/** A stream's own folder, named from somewhere inside its store: looks above the working folder too. */
function splitFolder(path: string, context: AddressContext): Split | undefined {
	const found = splitAtStore(resolve(context.cwd, path), context);
	return found !== undefined && folderAddress(found.rest) !== undefined ? found : undefined;
}

/** `streams/<scope>/<part>/…/<last>.stream`, as tab completion gives it. */
function folderAddress(rest: readonly string[]): StreamAddress | undefined {
	return rest[0] === "streams" ? addressOfFolder(rest.slice(1).join("/")) : undefined;
}

function addressInStore(rest: readonly string[], text: string): StreamAddress {
	const folder = folderAddress(rest);
	if (folder !== undefined) return folder;
	if (rest.length < 2) {
		throw fail("INVALID_NAME", `${text} names ${rest.length === 0 ? "a store" : "a scope"}, not a stream`, {
			hint: `Add to it: ${text.replace(/\/$/, "")}/${rest.length === 0 ? "scope/stream" : "stream"}.`,
		});
	}
	return parseAddress(rest.join("/"));
}

/** The last two parts of a path are scope and stream, what precedes them is the store to be made. */
function newStoreFor(path: string, text: string, context: AddressContext): StreamPlace {
	const parent = dirname(path);
	const scope = basename(parent);
	if (scope === "" || scope === "." || scope === "..") {
		throw fail("INVALID_NAME", `${text} is too short: store, scope and stream are expected`, {
			hint: "For example ./data/cam/raw.",
		});
	}
	return { ...parseAddress(`${scope}/${basename(path)}`), store: place(dirname(parent), context) };
}
