/**
 * The lock on a store: a kernel lock on the file LOCK, taken by `BEGIN EXCLUSIVE` through `node:sqlite`, the one way
 * that Node offers to such locks. The kernel frees it the moment its owner dies, however it dies. The database stays
 * empty, no second file appears.
 *
 * Traps: closing any descriptor of the file in the owner's process drops the lock, so nothing else may ever open it.
 * A file that may not be written gets a shared lock without a word, so this is checked first.
 */
import { access, constants } from "node:fs";
import { dirname, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { fail, type StreambedError } from "../core/errors.ts";
import type { HeldLock, StoreLocker } from "./disk.ts";
import { processIdentity } from "./process-identity.ts";
import { hasCode } from "./system-error.ts";

const sqliteBusy = 5;
const sqliteReadOnly = 8;
const sqliteNotADatabase = 26;

/** Locks held by this process. A database that is garbage-collected would be closed, and its lock gone. */
const held = new Set<DatabaseSync>();

/** Makes the locker that real stores use. */
export function sqliteLocker(): StoreLocker {
	return { tryLock: (path) => tryLock(resolve(path)), process: processIdentity() };
}

async function tryLock(path: string): Promise<HeldLock | undefined> {
	await requireWritable(path);
	// Imported when needed: readers never lock and need not pay for loading SQLite.
	const { DatabaseSync } = await import("node:sqlite");
	let database: DatabaseSync | undefined;
	try {
		database = new DatabaseSync(path, { timeout: 0 });
		// With its journal in memory SQLite makes no second file, which a killed owner would leave behind.
		database.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
	} catch (error) {
		database?.close();
		const code = errorNumber(error);
		if (code === sqliteBusy) return undefined;
		throw lockError(error, code, path);
	}
	held.add(database);
	return heldLock(database);
}

function heldLock(database: DatabaseSync): HeldLock {
	return {
		async release() {
			if (!held.delete(database)) return;
			try {
				database.exec("ROLLBACK");
			} finally {
				database.close();
			}
		},
	};
}

/** Throws READ_ONLY unless this process may write the lock's file, or make it. */
async function requireWritable(path: string): Promise<void> {
	const missing = await accessError(path);
	if (missing === undefined) return;
	const error = hasCode(missing, "ENOENT") ? await accessError(dirname(path)) : missing;
	if (error !== undefined) throw readOnly(path, error);
}

function accessError(path: string): Promise<Error | undefined> {
	return new Promise((done) => access(path, constants.W_OK, (error) => done(error ?? undefined)));
}

function readOnly(path: string, cause: unknown): StreambedError {
	return fail("READ_ONLY", `cannot lock the store: ${path} may not be written by this process`, {
		details: { path },
		cause,
	});
}

/** The number of SQLite's error, without the extension in its upper bits. */
function errorNumber(error: unknown): number | undefined {
	const code = (error as { errcode?: unknown }).errcode;
	return typeof code === "number" ? code & 0xff : undefined;
}

function lockError(error: unknown, code: number | undefined, path: string): StreambedError {
	if (code === sqliteReadOnly) return readOnly(path, error);
	const reason = error instanceof Error ? error.message : String(error);
	if (code === sqliteNotADatabase) {
		return fail("CORRUPT", `cannot lock the store: ${path} should be empty and is not`, {
			hint: "Remove this file while no process has the store open; it holds no data.",
			details: { path },
			cause: error,
		});
	}
	return fail("IO", `cannot lock the store: ${path}: ${reason}`, { details: { path }, cause: error });
}
