/**
 * A process of its own for the tests of the lock. `hold FILE` takes the lock, says "held" or "refused", and holds it
 * until killed or until its input ends; `drop FILE` does the same and then makes the kernel drop the lock, by opening
 * and closing the file; `claim DIR` locks DIR/LOCK and names itself in DIR/OWNER as well.
 */
import { closeSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../../src/core/clock.ts";
import { StreambedError } from "../../../src/core/errors.ts";
import { systemRandom } from "../../../src/core/random.ts";
import { nodeDisk } from "../../../src/disk/node-disk.ts";
import { sqliteLocker } from "../../../src/disk/sqlite-lock.ts";
import { claimOwner } from "../../../src/log/files/owner.ts";

const [command, path = ""] = process.argv.slice(2);
const locker = sqliteLocker();
try {
	const lock = await locker.tryLock(command === "hold" ? path : join(path, "LOCK"));
	if (command !== "hold" && lock !== undefined) {
		await claimOwner(nodeDisk(), path, { random: systemRandom, clock: systemClock, process: locker.process });
		if (command === "drop") closeSync(openSync(join(path, "LOCK"), "r"));
	}
	process.stdout.write(`${lock === undefined ? "refused" : "held"}\n`);
	process.stdin.resume();
	process.stdin.on("end", () => void lock?.release());
} catch (error) {
	process.stdout.write(`${StreambedError.is(error) ? error.code : String(error)} in ${dirname(path)}\n`);
}
