/** All commands, in the order of the help. A new command is a file in commands/ and a line here. */
import type { CommandSpec } from "./command.ts";
import { append } from "./commands/append.ts";
import { backup } from "./commands/backup.ts";
import { bench } from "./commands/bench.ts";
import { checkpoint } from "./commands/checkpoint.ts";
import { create } from "./commands/create.ts";
import { cut } from "./commands/cut.ts";
import { deleteStream } from "./commands/delete.ts";
import { dump } from "./commands/dump.ts";
import { explain } from "./commands/explain.ts";
import { exportStream } from "./commands/export.ts";
import { grow } from "./commands/grow.ts";
import { importStream } from "./commands/import.ts";
import { info } from "./commands/info.ts";
import { list } from "./commands/list.ts";
import { read } from "./commands/read.ts";
import { repair } from "./commands/repair.ts";
import { rion } from "./commands/rion.ts";
import { route } from "./commands/route.ts";
import { seal } from "./commands/seal.ts";
import { truncate } from "./commands/truncate.ts";
import { txn } from "./commands/txn.ts";
import { verify } from "./commands/verify.ts";

/** The commands of this version. */
export const commands: readonly CommandSpec[] = [
	append,
	read,
	truncate,
	seal,
	rion,
	cut,
	importStream,
	exportStream,
	create,
	list,
	info,
	deleteStream,
	grow,
	route,
	txn,
	verify,
	repair,
	checkpoint,
	backup,
	dump,
	bench,
	explain,
];
