/**
 * Engines that can do less than those that there are, and say so: memory with a manifest that denies. What it denies is
 * refused before the engine hears of it, so what is asked of the engine all the same fails the case.
 */
import { describe, expect, it } from "vitest";
import { resolveLimits } from "../../src/core/limits.ts";
import type { Engine, EngineShard, EngineStream } from "../../src/engine/contract.ts";
import type { Manifest } from "../../src/engine/manifest.ts";
import { createMemoryEngine, memoryManifest } from "../../src/engine/memory/memory-engine.ts";
import { Store } from "../../src/stream/store.ts";
import { testEngine } from "../../src/testing/index.ts";

/** The object with some of its members replaced; the others go to the object itself. */
function instead<T extends object>(of: T, members: Partial<T>): T {
	return new Proxy(of, {
		get: (_, name) => {
			if (Object.hasOwn(members, name)) return members[name as keyof T];
			const value: unknown = Reflect.get(of, name, of);
			return typeof value === "function" ? value.bind(of) : value;
		},
	});
}

function denied(what: string): never {
	throw new Error(`the engine was asked for ${what}, which its manifest denies`);
}

function denying(engine: Engine, manifest: Manifest): Engine {
	const { kinds, retention, producers, multipart } = manifest;
	const shardOf = (shard: EngineShard): EngineShard =>
		instead(shard, {
			submit: (payload, options, completion) => {
				if (!producers && options.producer !== undefined) denied("an append of a producer");
				return shard.submit(payload, options, completion);
			},
			...(multipart ? {} : { staging: { begin: staging, list: staging, find: staging } }),
		});
	const streamOf = (stream: EngineStream): EngineStream =>
		instead(stream, {
			shard: (index) => shardOf(stream.shard(index)),
			submitTogether: (parts, producer, completion) => {
				if (!producers && producer !== undefined) denied("appends of a producer");
				stream.submitTogether(parts, producer, completion);
			},
			takeEpoch: async (producer) => (producers ? await stream.takeEpoch(producer) : denied("an epoch")),
		});
	return instead(engine, {
		manifest,
		createStream: async (address, config) => {
			if (!kinds.includes(config.kind)) denied(`a stream of ${config.kind}`);
			if (!retention && Object.keys(config.retention ?? {}).length > 0) denied("retention");
			return streamOf(await engine.createStream(address, config));
		},
		openStream: async (address) => streamOf(await engine.openStream(address)),
		updateStream: async (address, change) => {
			if (!retention && Object.keys(change.retention ?? {}).length > 0) denied("retention");
			return await engine.updateStream(address, change);
		},
	});
}

function staging(): never {
	return denied("a write in parts");
}

const less = { retention: false, producers: false, multipart: false } as const;

for (const [name, denial] of [
	["of byte streams alone", { ...less, kinds: ["bytes"] }],
	["of both kinds without the rest", less],
] as const) {
	const manifest: Manifest = { ...memoryManifest, ...denial };
	testEngine({
		name: `denying, ${name},`,
		manifest,
		open: async ({ limits, clock } = {}) => {
			const sources = clock === undefined ? {} : { clock };
			const engine = createMemoryEngine({ limits: resolveLimits(limits), ...sources });
			const store = new Store("memory:", denying(engine, manifest), sources);
			return { store, dispose: () => store.close() };
		},
		describe,
		it,
		expect,
	});
}
