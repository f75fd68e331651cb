/**
 * The names on a crash disk: as everybody sees them now, and the changes that no sync of a folder has made certain.
 *
 * A change of one name is there after a crash or not, whatever became of other changes; a rename is there at both of its
 * names or at neither. Which change of a name comes last is kept: a later one of the same name being there, a rename
 * before it has happened as well.
 */
import { resolve } from "node:path";
import { systemError } from "../disk/system-error.ts";
import { CrashContent } from "./crash-content.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** A file. */
export interface CrashFileNode {
	readonly kind: "file";
	readonly identity: string;
	readonly content: CrashContent;
	modifiedMs: number;
}

/** A folder. */
export interface CrashFolderNode {
	readonly kind: "folder";
	readonly identity: string;
	readonly entries: Map<string, CrashNode>;
	modifiedMs: number;
}

export type CrashNode = CrashFileNode | CrashFolderNode;

/** Where a name belongs. */
interface Place {
	readonly folder: CrashFolderNode;
	readonly name: string;
}

/** What a name meant before and after a change. */
interface Slot extends Place {
	readonly before: CrashNode | undefined;
	readonly after: CrashNode | undefined;
}

interface NameChange {
	/** One name, or the old and the new one of a rename. */
	readonly slots: readonly Slot[];
	/** Folders whose sync is missing. */
	readonly waits: Set<CrashFolderNode>;
}

/** The tree of names. */
export class CrashNames {
	readonly #now: () => number;
	readonly #root: CrashFolderNode;
	#identities = 0;
	#changes: NameChange[] = [];

	constructor(now: () => number, root?: CrashFolderNode) {
		this.#now = now;
		this.#root = root ?? this.#newFolder();
	}

	/** The same names and contents, uncertain changes included, which go their own way from now on. */
	copy(): CrashNames {
		const copies = new Map<CrashNode, CrashNode>();
		const copyOf = <T extends CrashNode>(node: T): T => {
			const known = copies.get(node) as T | undefined;
			if (known !== undefined) return known;
			const copy: CrashNode =
				node.kind === "file" ? { ...node, content: node.content.copy() } : { ...node, entries: new Map() };
			copies.set(node, copy);
			if (node.kind === "folder" && copy.kind === "folder") {
				for (const [name, child] of node.entries) copy.entries.set(name, copyOf(child));
			}
			return copy as T;
		};
		const copyOfAny = (node: CrashNode | undefined): CrashNode | undefined => node && copyOf(node);
		const names = new CrashNames(this.#now, copyOf(this.#root));
		names.#identities = this.#identities;
		names.#changes = this.#changes.map(({ slots, waits }) => ({
			slots: slots.map(({ folder, name, before, after }) => ({
				folder: copyOf(folder),
				name,
				before: copyOfAny(before),
				after: copyOfAny(after),
			})),
			waits: new Set(Array.from(waits, copyOf)),
		}));
		return names;
	}

	/** What is at a path, or `undefined`. */
	find(path: string): CrashNode | undefined {
		let node: CrashNode | undefined = this.#root;
		for (const name of partsOf(path)) node = node?.kind === "folder" ? node.entries.get(name) : undefined;
		return node;
	}

	/** The folder at a path; ENOENT or ENOTDIR if there is none. */
	folder(path: string, syscall: string): CrashFolderNode {
		return this.#folder(partsOf(path), syscall, path);
	}

	/** The folder above a path, which must exist, and the name in it. */
	place(path: string, syscall: string): Place {
		const parts = partsOf(path);
		const name = parts.pop();
		if (name === undefined) throw systemError("EINVAL", syscall, path);
		return { folder: this.#folder(parts, syscall, path), name };
	}

	/** Makes an empty file. */
	create(place: Place): CrashFileNode {
		const node: CrashFileNode = {
			kind: "file",
			identity: this.#newIdentity(),
			content: new CrashContent(),
			modifiedMs: this.#now(),
		};
		this.#change([place, node]);
		return node;
	}

	/** Makes a folder and those above it. */
	makeFolders(path: string): void {
		let folder = this.#root;
		const parts = partsOf(path);
		for (const [index, name] of parts.entries()) {
			const found = folder.entries.get(name);
			if (found !== undefined && found.kind !== "folder") {
				throw systemError(index === parts.length - 1 ? "EEXIST" : "ENOTDIR", "mkdir", path);
			}
			const child = found ?? this.#newFolder();
			if (found === undefined) this.#change([{ folder, name }, child]);
			folder = child;
		}
	}

	/** Takes a name away. */
	remove(place: Place): void {
		this.#change([place, undefined]);
	}

	/** Gives a node another name, in place of what has it. */
	rename(from: Place, to: Place, node: CrashNode): void {
		this.#change([from, undefined], [to, node]);
	}

	/** Makes the names in a folder certain. */
	sync(folder: CrashFolderNode): void {
		for (const change of this.#changes) change.waits.delete(folder);
		for (const change of this.#changes.filter(({ waits }) => waits.size === 0)) this.#settle(change);
	}

	/** The machine stops: of the changes that are not certain some are there and some are not. */
	crash(random: SeededRandom): void {
		const changes = this.#changes;
		this.#changes = [];
		for (const { slots } of changes.toReversed()) for (const slot of slots) put(slot, slot.before);
		const share = random.pick([0.1, 0.5, 0.5, 0.9]);
		const survives = changes.map(() => random.chance(share));
		for (let index = changes.length - 1; index >= 0; index--) {
			if (!survives[index]) continue;
			for (let earlier = 0; earlier < index; earlier++) {
				const change = changes[earlier] as NameChange;
				if (change.slots.length > 1 && meet(change, changes[index] as NameChange)) survives[earlier] = true;
			}
		}
		for (const [index, { slots }] of changes.entries()) {
			if (survives[index]) for (const slot of slots) put(slot, slot.after);
		}
		for (const file of this.files()) file.content.crash(random);
	}

	/** All files that have a name, in order. */
	*files(folder: CrashFolderNode = this.#root): Generator<CrashFileNode> {
		for (const [, node] of [...folder.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
			if (node.kind === "file") yield node;
			else yield* this.files(node);
		}
	}

	#change(...changed: readonly (readonly [Place, CrashNode | undefined])[]): void {
		const slots = changed.map(([{ folder, name }, after]) => ({
			folder,
			name,
			before: folder.entries.get(name),
			after,
		}));
		for (const slot of slots) {
			put(slot, slot.after);
			slot.folder.modifiedMs = this.#now();
		}
		this.#changes.push({ slots, waits: new Set(slots.map(({ folder }) => folder)) });
	}

	/** A change is certain: those before it at the same names can't be seen any more. */
	#settle(change: NameChange): void {
		const index = this.#changes.indexOf(change);
		if (index < 0) return;
		const earlier = this.#changes.slice(0, index).filter((other) => meet(other, change));
		this.#changes.splice(index, 1);
		for (const other of earlier) {
			if (other.slots.length > 1) this.#settle(other);
			else this.#changes.splice(this.#changes.indexOf(other), 1);
		}
	}

	#folder(parts: readonly string[], syscall: string, path: string): CrashFolderNode {
		let node: CrashFolderNode = this.#root;
		for (const name of parts) {
			const child = node.entries.get(name);
			if (child === undefined) throw systemError("ENOENT", syscall, path);
			if (child.kind !== "folder") throw systemError("ENOTDIR", syscall, path);
			node = child;
		}
		return node;
	}

	#newFolder(): CrashFolderNode {
		return { kind: "folder", identity: this.#newIdentity(), entries: new Map(), modifiedMs: this.#now() };
	}

	#newIdentity(): string {
		this.#identities++;
		return `crash:${this.#identities}`;
	}
}

function put({ folder, name }: Place, node: CrashNode | undefined): void {
	if (node === undefined) folder.entries.delete(name);
	else folder.entries.set(name, node);
}

function meet(a: NameChange, b: NameChange): boolean {
	return a.slots.some((one) => b.slots.some(({ folder, name }) => folder === one.folder && name === one.name));
}

/** Absolute, no name empty or with a dot in front: nothing to resolve. */
const PLAIN = /^(?:\/[^/.][^/]*)+$/;

function partsOf(path: string): string[] {
	const plain = PLAIN.test(path) ? path : resolve(path);
	return plain.split("/").filter((part) => part !== "");
}
