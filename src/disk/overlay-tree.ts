/** Names of the overlay: folders that were looked at and files that are open or changed, over the names of the base. */
import { resolve, sep } from "node:path";
import type { Disk, PathInfo } from "./disk.ts";
import { dropPages, type FileNode, type Space } from "./overlay-file.ts";
import { systemError } from "./system-error.ts";

/** A folder as it stands in the tree. */
export interface FolderNode {
	readonly kind: "folder";
	readonly identity: string;
	/** The folder of the base whose names show through, if there is one. */
	readonly basePath: string | undefined;
	/** What is known here; `null` hides a name of the base. */
	readonly entries: Map<string, OverlayNode | null>;
	modifiedMs: number;
}

export type OverlayNode = FileNode | FolderNode;

/** Where a name belongs. */
export interface Place {
	readonly folder: FolderNode;
	readonly name: string;
}

let lastIdentity = 0;

/** The tree; its caller runs one operation after another. */
export class OverlayTree {
	readonly #base: Disk | undefined;
	readonly #space: Space;
	readonly #now: () => number;
	readonly #root: FolderNode;

	constructor(base: Disk | undefined, space: Space, now: () => number) {
		this.#base = base;
		this.#space = space;
		this.#now = now;
		const basePath = base === undefined ? undefined : process.platform === "win32" ? "" : "/";
		this.#root = { kind: "folder", identity: newIdentity(), basePath, entries: new Map(), modifiedMs: now() };
	}

	/** The node at a path, or `undefined` if nothing is there. */
	async find(path: string): Promise<OverlayNode | undefined> {
		let node: OverlayNode | undefined = this.#root;
		for (const name of partsOf(path)) {
			if (node?.kind !== "folder") return undefined;
			node = await this.child(node, name);
		}
		return node;
	}

	/** The folder at a path; ENOENT or ENOTDIR if there is none. */
	async folder(path: string, syscall: string): Promise<FolderNode> {
		let node: OverlayNode = this.#root;
		for (const name of partsOf(path)) {
			const child: OverlayNode | undefined = await this.child(node, name);
			if (child === undefined) throw systemError("ENOENT", syscall, path);
			if (child.kind !== "folder") throw systemError("ENOTDIR", syscall, path);
			node = child;
		}
		return node;
	}

	/** The folder above a path, which must exist, and the name in it. */
	async place(path: string, syscall: string): Promise<Place> {
		const parts = partsOf(path);
		const name = parts.pop();
		if (name === undefined) throw systemError("EINVAL", syscall, path);
		return { folder: await this.folder(sep + parts.join(sep), syscall), name };
	}

	/** What has a name in a folder. Files of the base become part of the tree only when they are linked into it. */
	async child(folder: FolderNode, name: string): Promise<OverlayNode | undefined> {
		const known = folder.entries.get(name);
		if (known !== undefined) return known ?? undefined;
		const path = basePathOf(folder, name);
		const info = path === undefined ? undefined : await this.#base?.stat(path);
		if (path === undefined || info === undefined) return undefined;
		const node = fromBase(path, info);
		if (node.kind === "folder") folder.entries.set(name, node);
		return node;
	}

	/** Makes an empty file. */
	newFile(): FileNode {
		return {
			kind: "file",
			identity: newIdentity(),
			basePath: undefined,
			baseBytes: 0,
			size: 0,
			modifiedMs: this.#now(),
			pages: new Map(),
			touched: true,
			handles: 0,
			linked: false,
		};
	}

	/** Makes a folder and those above it. */
	async makeFolders(path: string): Promise<void> {
		let node = this.#root;
		const parts = partsOf(path);
		for (const [index, name] of parts.entries()) {
			let child = await this.child(node, name);
			if (child === undefined) {
				child = {
					kind: "folder",
					identity: newIdentity(),
					basePath: undefined,
					entries: new Map(),
					modifiedMs: this.#now(),
				};
				this.link({ folder: node, name }, child);
			}
			if (child.kind !== "folder") {
				throw systemError(index === parts.length - 1 ? "EEXIST" : "ENOTDIR", "mkdir", path);
			}
			node = child;
		}
	}

	/** Names in a folder with what they name. */
	async list(folder: FolderNode): Promise<Map<string, PathInfo["kind"]>> {
		const names = new Map<string, PathInfo["kind"]>();
		if (folder.basePath !== undefined && this.#base !== undefined) {
			for (const entry of await this.#base.list(folder.basePath)) names.set(entry.name, entry.kind);
		}
		for (const [name, node] of folder.entries) {
			if (node === null) names.delete(name);
			else names.set(name, node.kind);
		}
		return names;
	}

	/** The one name of a path: the base's for what is still where the base has it, as only the base knows links. */
	async realPath(path: string): Promise<string> {
		const node = await this.find(path);
		if (node === undefined) throw systemError("ENOENT", "realpath", path);
		const name = resolve(path);
		const unmoved = this.#base !== undefined && node.basePath === name.split(sep).join("/");
		return unmoved ? ((await this.#base?.realPath(name)) ?? name) : name;
	}

	/** Tells whether a path lies in a folder, at any depth, or is the folder. */
	async within(path: string, folder: FolderNode): Promise<boolean> {
		let node: OverlayNode | undefined = this.#root;
		for (const name of partsOf(path)) {
			if (node === folder) return true;
			node = node?.kind === "folder" ? await this.child(node, name) : undefined;
		}
		return node === folder;
	}

	/** Gives a node a name, in place of what has it. */
	link(place: Place, node: OverlayNode): void {
		const before = place.folder.entries.get(place.name);
		if (before === node) return;
		if (before) this.#unlinked(before);
		place.folder.entries.set(place.name, node);
		place.folder.modifiedMs = this.#now();
		if (node.kind !== "folder") node.linked = true;
	}

	/** Takes a name away; a file lives on until its last handle is closed. */
	unlink(place: Place): void {
		const node = place.folder.entries.get(place.name);
		this.#hide(place);
		if (node) this.#unlinked(node);
	}

	/** Gives a node another name. */
	move(from: Place, to: Place, node: OverlayNode): void {
		this.#hide(from);
		this.link(to, node);
	}

	/** Lets go of a file that was closed: of its pages if it has no name, of all of it if it is as in the base. */
	settle(place: Place, node: FileNode): void {
		if (node.handles > 0) return;
		if (!node.linked) {
			dropPages(node, this.#space, 0);
			return;
		}
		const atHome = node.basePath !== undefined && basePathOf(place.folder, place.name) === node.basePath;
		if (atHome && !node.touched && place.folder.entries.get(place.name) === node) {
			place.folder.entries.delete(place.name);
		}
	}

	#hide(place: Place): void {
		if (place.folder.basePath === undefined) place.folder.entries.delete(place.name);
		else place.folder.entries.set(place.name, null);
		place.folder.modifiedMs = this.#now();
	}

	#unlinked(node: OverlayNode): void {
		if (node.kind === "folder") return;
		node.linked = false;
		if (node.handles === 0) dropPages(node, this.#space, 0);
	}
}

function fromBase(path: string, info: PathInfo): OverlayNode {
	const { identity, modifiedMs } = info;
	if (info.kind === "folder") return { kind: "folder", identity, basePath: path, entries: new Map(), modifiedMs };
	return {
		kind: info.kind,
		identity,
		basePath: path,
		baseBytes: info.size,
		size: info.size,
		modifiedMs,
		pages: new Map(),
		touched: false,
		handles: 0,
		linked: false,
	};
}

function basePathOf(folder: FolderNode, name: string): string | undefined {
	if (folder.basePath === undefined) return undefined;
	return folder.basePath === "" || folder.basePath === "/" ? folder.basePath + name : `${folder.basePath}/${name}`;
}

function partsOf(path: string): string[] {
	return resolve(path)
		.split(sep)
		.filter((part) => part !== "");
}

function newIdentity(): string {
	lastIdentity++;
	return `overlay:${lastIdentity}`;
}
