/** What the manifest of an engine denies is refused here, so that all engines refuse it alike. */
import { fail } from "../core/errors.ts";
import { describe, rejectUnknown } from "../core/options.ts";
import type { Retention, StreamConfig } from "../core/stream-config.ts";
import type { Manifest } from "../engine/manifest.ts";

/** Throws STREAMBED_UNSUPPORTED if the engine can't hold a stream of this configuration. */
export function refuseConfig(config: StreamConfig, manifest: Manifest, what: string): void {
	if (!manifest.kinds.includes(config.kind)) {
		throw fail("UNSUPPORTED", `${what}: the ${manifest.engine} engine has no streams of kind ${config.kind}`, {
			hint: `It has: ${manifest.kinds.join(", ")}.`,
			details: { kind: config.kind, kinds: manifest.kinds },
		});
	}
	refuseRetention(config.retention, manifest, what);
}

/** Throws STREAMBED_UNSUPPORTED if the engine knows no producers. */
export function refuseProducer(manifest: Manifest, what: string): void {
	if (manifest.producers) return;
	throw fail("UNSUPPORTED", `${what}: the ${manifest.engine} engine has no producers`, {
		hint: "Without one a retry may store the same bytes twice: look at the tail first.",
	});
}

/** Throws STREAMBED_UNSUPPORTED if rules are given that the engine would not carry out. */
export function refuseRetention(retention: Retention | undefined, manifest: Manifest, what: string): void {
	if (manifest.retention || retention === undefined || Object.keys(retention).length === 0) return;
	throw fail("UNSUPPORTED", `${what}: the ${manifest.engine} engine has no retention`, {
		hint: "Leave it out, and call truncateBefore where data should go.",
	});
}

/** Throws STREAMBED_UNSUPPORTED if the engine has no writes in parts. */
export function refuseMultipart(manifest: Manifest, what: string): void {
	if (manifest.multipart) return;
	throw fail("UNSUPPORTED", `${what}: the ${manifest.engine} engine has no writes in parts`, {
		hint: "Write in pieces of at most limits.appendBytes; each is atomic.",
	});
}

/** Checks options that hold `force` alone, and returns it. */
export function checkForce(options: { readonly force?: boolean | undefined }, where: string): boolean {
	rejectUnknown(options, ["force"], where);
	const force = options.force ?? false;
	if (typeof force !== "boolean") throw fail("INVALID_OPTION", `force must be true or false, not ${describe(force)}`);
	return force;
}
