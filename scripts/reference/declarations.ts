/**
 * Reads the declarations that `tsc` emits, without a compiler API: statements begin in the first column, and each
 * exported name is followed through `export … from` and imports to the statement that declares it.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What kind of thing a name stands for. */
export type DeclarationKind = "function" | "class" | "const" | "interface" | "type";

/** An exported name with what was written about it. */
export interface Declaration {
	readonly name: string;
	readonly kind: DeclarationKind;
	/** The docstring without its comment marks; empty if there is none. */
	readonly doc: string;
	/**
	 * The statement without `export` and `declare`, for overloads several. Private members are left out, and the
	 * constructor of a class that is exported as a type only.
	 */
	readonly code: string;
}

interface Statement {
	readonly doc: string;
	readonly code: string;
}

interface Module {
	readonly path: string;
	readonly declared: ReadonlyMap<string, Declaration>;
	/** Names that come from elsewhere: local name → where, and under which name there. */
	readonly links: ReadonlyMap<string, Link>;
	/** Exported name → local name. */
	readonly exported: ReadonlyMap<string, string>;
	/** Exported names that cannot be used as values. */
	readonly typesOnly: ReadonlySet<string>;
	readonly starred: readonly string[];
}

interface Link {
	readonly from: string;
	readonly name: string;
}

const declaration = /^(?:export )?(?:declare )?(?:abstract )?(function|class|const|interface|type) ([\w$]+)/;
const named = /^(import|export)( type)? \{([^}]*)\}(?: from "([^"]+)")?;$/s;
const star = /^export (?:type )?\* from "([^"]+)";$/;

/** All that a module exports, in the order of its statements. */
export function exportsOf(path: string): readonly Declaration[] {
	const module = readModule(path);
	const own = [...module.exported].map(([name, local]) => {
		const found = { ...find(module, local), name };
		return module.typesOnly.has(name) ? { ...found, code: withoutConstructor(found.code) } : found;
	});
	return [...own, ...module.starred.flatMap((from) => exportsOf(resolve(path, from)))];
}

function find(module: Module, local: string): Declaration {
	const declared = module.declared.get(local);
	if (declared !== undefined) return declared;
	const link = module.links.get(local);
	if (link === undefined) throw new Error(`${module.path} exports ${local} and does not declare it`);
	const target = readModule(resolve(module.path, link.from));
	const there = target.exported.get(link.name);
	if (there !== undefined) return find(target, there);
	for (const from of target.starred) {
		const found = exportsOf(resolve(target.path, from)).find((candidate) => candidate.name === link.name);
		if (found !== undefined) return found;
	}
	throw new Error(`${target.path} does not export ${link.name}`);
}

function resolve(path: string, specifier: string): string {
	if (!specifier.startsWith(".")) throw new Error(`${path} exports from the package ${specifier}`);
	return join(dirname(path), specifier.replace(/\.[jt]s$/, ".d.ts"));
}

function readModule(path: string): Module {
	const declared = new Map<string, Declaration>();
	const links = new Map<string, Link>();
	const exported = new Map<string, string>();
	const typesOnly = new Set<string>();
	const starred: string[] = [];
	for (const { doc, code } of statements(readFileSync(path, "utf8"))) {
		const [, kind, name] = declaration.exec(code) ?? [];
		if (kind !== undefined && name !== undefined) {
			const before = declared.get(name);
			const own = { name, kind: kind as DeclarationKind, doc: before?.doc || doc, code: withoutPrivate(code) };
			declared.set(name, before === undefined ? own : { ...own, code: `${before.code}\n${own.code}` });
			if (code.startsWith("export ")) exported.set(name, name);
			continue;
		}
		const [, verb, type, list, from] = named.exec(code) ?? [];
		for (const { name, alias, typeOnly } of list === undefined ? [] : namesIn(list)) {
			if (typeOnly || type !== undefined) typesOnly.add(alias);
			if (from !== undefined) links.set(alias, { from, name });
			if (verb === "export") exported.set(alias, from === undefined ? name : alias);
		}
		const all = star.exec(code)?.[1];
		if (all !== undefined) starred.push(all);
	}
	return { path, declared, links, exported, typesOnly, starred };
}

interface ImportedName {
	readonly name: string;
	readonly alias: string;
	readonly typeOnly: boolean;
}

/** Takes `a, type B as C` apart. */
function namesIn(list: string): readonly ImportedName[] {
	return list
		.split(",")
		.map((item) => item.trim())
		.filter((item) => item !== "")
		.map((item) => {
			const [name = "", alias = name] = item.replace(/^type /, "").split(" as ");
			return { name, alias, typeOnly: item.startsWith("type ") };
		});
}

function* statements(text: string): Generator<Statement> {
	let doc: string[] = [];
	let code: string[] = [];
	let inDoc = false;
	for (const line of text.split("\n")) {
		if (code.length === 0 && (inDoc || line.startsWith("/**"))) {
			if (!inDoc) doc = [];
			doc.push(line);
			inDoc = !line.endsWith("*/");
			continue;
		}
		if (code.length === 0 && (line === "" || line.startsWith("//"))) continue;
		code.push(line);
		if (!/^(\S.*[;}]|[;}])$/.test(line) || !isBalanced(code)) continue;
		yield { doc: docText(doc), code: code.join("\n") };
		doc = [];
		code = [];
	}
	if (code.length > 0) throw new Error(`a statement without an end:\n${code.join("\n")}`);
}

/** Are all brackets closed? Comments and texts are left out of the count. */
function isBalanced(code: readonly string[]): boolean {
	const bare = code
		.join("\n")
		.replaceAll(/\/\*.*?\*\//gs, "")
		.replaceAll(/"(?:[^"\\]|\\.)*"/g, "");
	const count = (pattern: RegExp): number => bare.match(pattern)?.length ?? 0;
	return count(/[({[]/g) === count(/[)}\]]/g);
}

function docText(lines: readonly string[]): string {
	return lines
		.join("\n")
		.replace(/^\/\*\*\s?/, "")
		.replace(/\s*\*\/$/, "")
		.split("\n")
		.map((line) => line.replace(/^\s*\* ?/, ""))
		.join("\n")
		.trim();
}

function withoutPrivate(code: string): string {
	return code
		.replace(/^export /, "")
		.replace(/^declare /, "")
		.split("\n")
		.filter((line) => !/^\s+(#private;|private )/.test(line))
		.join("\n");
}

function withoutConstructor(code: string): string {
	return code.replaceAll(/\n(?: +\/\*\*(?:(?!\*\/).)*\*\/\n)? +constructor\([^;]*\);/gs, "");
}
