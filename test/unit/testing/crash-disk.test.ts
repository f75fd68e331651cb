/** Each rule of the crash disk: what is certain never changes, what is not certain shows all that may become of it. */
import { describe, expect, it } from "vitest";
import type { DiskFile } from "../../../src/disk/disk.ts";
import { type CrashDisk, crashDisk } from "../../../src/testing/crash-disk.ts";

const SEEDS = 300;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function contentOf(disk: CrashDisk, path: string): Promise<string | undefined> {
	if ((await disk.stat(path)) === undefined) return undefined;
	return Buffer.from(await disk.readFile(path)).toString();
}

/** What a crash leaves of the same work, over many seeds: each outcome once. */
async function outcomes(
	work: (disk: CrashDisk) => Promise<unknown>,
	look: (disk: CrashDisk) => Promise<string>,
): Promise<Set<string>> {
	const found = new Set<string>();
	for (let seed = 0; seed < SEEDS; seed++) {
		const disk = crashDisk({ seed });
		await work(disk);
		found.add(await look(disk.crash()));
	}
	return found;
}

/** A file with certain bytes and a certain name. */
async function certainFile(disk: CrashDisk, path: string, content: string): Promise<DiskFile> {
	const file = await disk.open(path, "create", { durable: true });
	await file.write(text(content), 0);
	await file.sync();
	await disk.syncDir("/");
	return file;
}

const lookAt =
	(...paths: readonly string[]) =>
	async (disk: CrashDisk): Promise<string> =>
		(await Promise.all(paths.map(async (path) => (await contentOf(disk, path)) ?? "-"))).join("|");

describe("the bytes of a file after a crash", () => {
	it("are what was synced, always", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "old");
			await file.write(text("new!"), 0);
			await file.sync();
		}, lookAt("/a"));
		expect([...found]).toEqual(["new!"]);
	});

	it("hold a durable write, whatever becomes of the writes before it at the same place and beside it", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "........");
			await file.write(text("xxxxxxxx"), 0);
			await file.writeDurable(text("DD"), 2);
			await file.write(text("y"), 7);
		}, lookAt("/a"));
		for (const outcome of found) expect(outcome).toMatch(/^[.x]{2}DD[.x]{3}[.xy]$/);
		expect(found).toContain("..DD....");
		expect(found).toContain("xxDDxxxx");
		expect(found).toContain("..DD...y");
		expect(found.size).toBeGreaterThan(6);
	});

	it("grow with a durable write", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "ab");
			await file.writeDurable(text("cd"), 2);
		}, lookAt("/a"));
		expect([...found]).toEqual(["abcd"]);
	});

	it("of an unsynced write are there whole, not at all, and torn at any byte from either side", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "....");
			await file.write(text("wxyz"), 0);
		}, lookAt("/a"));
		for (const outcome of ["wxyz", "....", "w...", "wx..", "wxy.", "...z", "..yz", ".xyz"]) {
			expect(found).toContain(outcome);
		}
		for (const outcome of found) expect(outcome).toMatch(/^[w.][x.][y.][z.]$/);
	});

	it("of a long unsynced write may lack any of its sectors", async () => {
		const sectors = 6;
		const found = await outcomes(
			async (disk) => {
				const file = await certainFile(disk, "/a", ".".repeat(sectors * 512));
				await file.write(text("x".repeat(sectors * 512)), 0);
			},
			async (disk) => {
				const content = (await contentOf(disk, "/a")) as string;
				const parts = Array.from({ length: sectors }, (_, at) => content.slice(at * 512, (at + 1) * 512));
				const whole = parts.every((part) => part === part[0]?.repeat(512));
				return whole ? parts.map((part) => part[0]).join("") : "inside";
			},
		);
		expect(found).toContain("inside");
		// A hole in the middle, and an island.
		expect([...found].some((outcome) => /^x+\.+x+$/.test(outcome))).toBe(true);
		expect([...found].some((outcome) => /^\.+x+\.+$/.test(outcome))).toBe(true);
	});

	it("may be those of a later write without those of an earlier one", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "..");
			await file.write(text("1"), 0);
			await file.write(text("2"), 1);
		}, lookAt("/a"));
		expect([...found].sort()).toEqual(["..", ".2", "1.", "12"]);
	});

	it("may be missing although the size has grown", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "");
			await file.write(text("abc"), 0);
		}, lookAt("/a"));
		expect(found).toContain("");
		expect(found).toContain("abc");
		expect(found).toContain("a\0\0");
		expect(found).toContain("ab");
	});

	it("are cut or not by an unsynced truncation, and nothing of what was cut shows behind it", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "abcdef");
			await file.truncate(2);
			await file.write(text("z"), 4);
		}, lookAt("/a"));
		expect(found).toEqual(new Set(["ab", "ab\0\0\0", "ab\0\0z", "abcdef", "abcdzf"]));
	});

	it("are cut for good once the truncation is synced", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "abcdef");
			await file.truncate(2);
			await file.sync();
		}, lookAt("/a"));
		expect([...found]).toEqual(["ab"]);
	});

	it("are not made certain by another handle's sync", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "..");
			await file.write(text("1"), 0);
			const other = await disk.open("/a", "write");
			await other.write(text("2"), 1);
			await other.sync();
		}, lookAt("/a"));
		expect([...found].sort()).toEqual([".2", "12"]);
	});

	it("are certain where another handle wrote over them and synced", async () => {
		const found = await outcomes(async (disk) => {
			const file = await certainFile(disk, "/a", "....");
			await file.write(text("1111"), 0);
			const other = await disk.open("/a", "write");
			await other.write(text("22"), 1);
			await other.sync();
		}, lookAt("/a"));
		for (const outcome of found) expect(outcome).toMatch(/^[.1]22[.1]$/);
		expect(found).toContain(".22.");
		expect(found).toContain("1221");
	});

	it("stay the same through a second crash", async () => {
		const found = new Set<string>();
		for (let seed = 0; seed < SEEDS; seed++) {
			const disk = crashDisk({ seed });
			const file = await certainFile(disk, "/a", "....");
			await file.write(text("wxyz"), 0);
			const once = disk.crash();
			const left = await contentOf(once, "/a");
			expect(await contentOf(once.crash(), "/a")).toBe(left);
			found.add(left as string);
		}
		expect(found.size).toBeGreaterThan(4);
	});
});

describe("names after a crash", () => {
	it("of a file or folder that was made are there only by chance, until their folder is synced", async () => {
		const make = async (disk: CrashDisk): Promise<void> => {
			await (await disk.open("/a", "create")).close();
			await disk.mkdir("/b");
		};
		const look = lookAt("/a");
		expect(await outcomes(make, look)).toEqual(new Set(["", "-"]));
		const folder = async (disk: CrashDisk): Promise<string> => String((await disk.stat("/b"))?.kind);
		expect(await outcomes(make, folder)).toEqual(new Set(["folder", "undefined"]));
		const makeSure = async (disk: CrashDisk): Promise<void> => {
			await make(disk);
			await disk.syncDir("/");
		};
		expect([...(await outcomes(makeSure, look))]).toEqual([""]);
		expect([...(await outcomes(makeSure, folder))]).toEqual(["folder"]);
	});

	it("need their own folder's sync, not that of the folder in it", async () => {
		const found = await outcomes(
			async (disk) => {
				await disk.mkdir("/b/c");
				await disk.syncDir("/b/c");
				await disk.syncDir("/b");
			},
			async (disk) => `${(await disk.stat("/b")) !== undefined} ${(await disk.stat("/b/c")) !== undefined}`,
		);
		expect(found).toEqual(new Set(["true true", "false false"]));
	});

	it("after a rename are the old or the new one, never both and never none", async () => {
		const found = await outcomes(
			async (disk) => {
				await certainFile(disk, "/a", "A");
				await certainFile(disk, "/b", "B");
				await disk.rename("/a", "/b");
			},
			lookAt("/a", "/b"),
		);
		expect(found).toEqual(new Set(["A|B", "-|A"]));
	});

	it("after a rename between folders need the sync of both", async () => {
		const moved = async (disk: CrashDisk, ...synced: readonly string[]): Promise<void> => {
			await disk.mkdir("/x");
			await disk.mkdir("/y");
			await disk.syncDir("/");
			await (await disk.open("/x/a", "create")).close();
			await disk.syncDir("/x");
			await disk.rename("/x/a", "/y/a");
			for (const folder of synced) await disk.syncDir(folder);
		};
		const look = lookAt("/x/a", "/y/a");
		const either = new Set(["|-", "-|"]);
		expect(await outcomes((disk) => moved(disk), look)).toEqual(either);
		expect(await outcomes((disk) => moved(disk, "/x"), look)).toEqual(either);
		expect(await outcomes((disk) => moved(disk, "/y"), look)).toEqual(either);
		expect(await outcomes((disk) => moved(disk, "/x", "/y"), look)).toEqual(new Set(["-|"]));
	});

	it("that were removed come back by chance, until their folder is synced", async () => {
		const found = await outcomes(async (disk) => {
			await certainFile(disk, "/a", "A");
			await disk.unlink("/a");
		}, lookAt("/a"));
		expect(found).toEqual(new Set(["A", "-"]));
		const sure = await outcomes(async (disk) => {
			await certainFile(disk, "/a", "A");
			await disk.unlink("/a");
			await disk.syncDir("/");
		}, lookAt("/a"));
		expect([...sure]).toEqual(["-"]);
	});

	it("survive each on its own, later ones without earlier ones", async () => {
		const found = await outcomes(
			async (disk) => {
				for (const name of ["a", "b", "c"]) await (await disk.open(`/${name}`, "create")).close();
			},
			lookAt("/a", "/b", "/c"),
		);
		expect(found.size).toBe(8);
	});

	it("of a new file may be there without its bytes, and its bytes without its name", async () => {
		const found = await outcomes(
			async (disk) => {
				const file = await disk.open("/a", "create");
				await file.write(text("x"), 0);
				await file.sync();
				const other = await disk.open("/b", "create");
				await other.write(text("y"), 0);
				await disk.syncDir("/");
				await disk.rename("/a", "/c");
			},
			lookAt("/a", "/b", "/c"),
		);
		for (const outcome of ["x||-", "x|y|-", "-||x", "-|y|x"]) expect(found).toContain(outcome);
		// Its size alone is the third thing that may be left of the unsynced file.
		for (const outcome of found) expect(outcome).toMatch(/^(x\|[y\0]?\|-|-\|[y\0]?\|x)$/);
	});

	it("never lose a file in two renames of which only the second survives", async () => {
		const found = await outcomes(
			async (disk) => {
				await certainFile(disk, "/a", "A");
				await disk.rename("/a", "/b");
				await disk.rename("/b", "/c");
			},
			lookAt("/a", "/b", "/c"),
		);
		expect(found).toEqual(new Set(["A|-|-", "-|A|-", "-|-|A"]));
	});

	it("never lose a renamed file when another one got its old name", async () => {
		const found = await outcomes(
			async (disk) => {
				await certainFile(disk, "/a", "A");
				await disk.rename("/a", "/b");
				const file = await disk.open("/a", "create");
				await file.write(text("N"), 0);
				await file.sync();
			},
			lookAt("/a", "/b"),
		);
		expect(found).toEqual(new Set(["A|-", "-|A", "N|A"]));
	});
});

describe("a crash disk", () => {
	it("fails with EIO for the process that was on it, handles included", async () => {
		for (const end of ["crash", "kill"] as const) {
			const disk = crashDisk({ seed: 1 });
			const file = await certainFile(disk, "/a", "A");
			const next = disk[end]();
			const failing = [
				() => file.read(new Uint8Array(1), 0),
				() => file.write(text("x"), 0),
				() => file.writeDurable(text("x"), 0),
				() => file.sync(),
				() => file.truncate(0),
				() => file.size(),
				() => disk.open("/a", "read"),
				() => disk.mkdir("/b"),
				() => disk.list("/"),
				() => disk.stat("/a"),
				() => disk.readFile("/a"),
				() => disk.rename("/a", "/b"),
				() => disk.unlink("/a"),
				() => disk.syncDir("/"),
			];
			for (const work of failing) await expect(work()).rejects.toMatchObject({ code: "EIO" });
			expect(await contentOf(next, "/a")).toBe("A");
		}
	});

	it("shows everything after a kill, and after a crash behind it only by chance, whoever syncs meanwhile", async () => {
		const found = new Set<string>();
		for (let seed = 0; seed < SEEDS; seed++) {
			const disk = crashDisk({ seed });
			const file = await certainFile(disk, "/a", "..");
			await file.write(text("1"), 0);
			const next = disk.kill();
			expect(await contentOf(next, "/a")).toBe("1.");
			const reopened = await next.open("/a", "write");
			await reopened.write(text("2"), 1);
			await reopened.sync();
			found.add((await contentOf(next.crash(), "/a")) as string);
		}
		expect(found).toEqual(new Set([".2", "12"]));
	});

	it("leaves the same after the same work with the same seed", async () => {
		const left = async (seed: number): Promise<string> => {
			const disk = crashDisk({ seed });
			for (let number = 0; number < 20; number++) {
				const file = await disk.open(`/${number}`, "create");
				await file.write(text("x".repeat(5000)), 0);
			}
			const after = disk.crash();
			const contents = Array.from({ length: 20 }, (_, number) => contentOf(after, `/${number}`));
			return JSON.stringify(await Promise.all(contents));
		};
		expect(await left(7)).toBe(await left(7));
		expect(await left(7)).not.toBe(await left(8));
	});

	it("is forked into one that stands as it does, and crashes as it would itself", async () => {
		const work = async (disk: CrashDisk): Promise<DiskFile> => {
			const file = await certainFile(disk, "/a", "old");
			await file.write(text("x".repeat(5000)), 1);
			await file.truncate(4000);
			await file.writeDurable(text("D"), 2000);
			await disk.mkdir("/f/g");
			await disk.syncDir("/f");
			await disk.rename("/a", "/f/b");
			for (let number = 0; number < 20; number++) await disk.open(`/f/g/${number}`, "create");
			await disk.syncDir("/f/g");
			await disk.unlink("/f/g/7");
			return file;
		};
		const look = async (disk: CrashDisk): Promise<string> => {
			const names = await Promise.all(["/", "/f", "/f/g"].map((path) => disk.list(path).catch(() => [])));
			const contents = await lookAt("/a", "/f/b")(disk);
			return JSON.stringify([names, (await disk.stat("/f/b"))?.identity, contents]);
		};
		const one = crashDisk({ seed: 0 });
		const file = await work(one);
		const found = new Set<string>();
		for (let seed = 0; seed < SEEDS; seed++) {
			const itself = crashDisk({ seed });
			await work(itself);
			const fork = one.fork(seed);
			expect(await look(fork)).toBe(await look(itself));
			const left = fork.crash();
			const outcome = await look(left);
			expect(outcome).toBe(await look(itself.crash()));
			found.add(outcome);
			await left.mkdir("/only-there");
		}
		expect(found.size).toBeGreaterThan(20);
		// The one that was forked is where it was, and still in use.
		const last = crashDisk({ seed: 1 });
		const lastFile = await work(last);
		for (const each of [file, lastFile]) {
			await each.write(text("later"), 0);
			await each.sync();
		}
		for (const each of [one, last]) await each.syncDir("/");
		expect(await look(one.fork(1).crash())).toBe(await look(last.fork(1).crash()));
		expect(await contentOf(one, "/f/b")).toMatch(/^later/);
	});

	it("flips one bit where it lies", async () => {
		const disk = crashDisk({ seed: 1 });
		await certainFile(disk, "/a", "aa");
		disk.flip("/a", 8);
		expect(await contentOf(disk, "/a")).toBe("a`");
		expect(await contentOf(disk.crash(), "/a")).toBe("a`");
		expect(() => disk.kill()).toThrow(/EIO/);
	});
});
