/** The load on the store: hands that do one thing after another, followers, and reopening in between. */
import { setTimeout as sleep } from "node:timers/promises";
import { type OpenOptions, open, type Store, StreambedError, verifyStore } from "../../src/index.ts";
import { numbers } from "../../test/unit/log/pattern.ts";
import { type Act, acts, type Ground, remove, truncate } from "./acts.ts";
import { follow } from "./follower.ts";
import type { Pacer } from "./pacer.ts";
import { must, SCOPE, SoakStream } from "./soak-stream.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const STREAMS = 120;
const HANDS = 4;
const FOLLOWERS = 6;
const FOLLOW_MS = 8000;
/** Streams that nothing else bounds are cut back from here. */
const MOST_BYTES = 3 * MiB;
const KEEP_BYTES = 300 * KiB;
/** How long the second process may hold the lock over a recovery. */
const LOCKED_MS = 5000;

/** Small bounds, so that everything that fills is full soon. */
const options: OpenOptions = {
	limits: { journalBytes: 16 * MiB, tailCacheBytes: 8 * MiB, readCacheBytes: 8 * MiB, openFiles: 64 },
};

/** The store, its streams, and those who work on it. */
export class Load implements Ground {
	readonly counts: Record<string, number> = { reopen: 0, create: 0, delete: 0, follow: 0, written: 0, compared: 0 };
	readonly random: (below: number) => number;
	readonly #folder: string;
	readonly #pacer: Pacer;
	readonly #streams: SoakStream[] = [];
	#store: Store | undefined;
	#number = 0;
	#atWork = 0;
	#stopped = false;
	#closed: Promise<void> | undefined;

	constructor(folder: string, pacer: Pacer, seed: number) {
		this.#folder = folder;
		this.#pacer = pacer;
		this.random = numbers(seed);
		for (const name of Object.keys(acts)) this.counts[name] = 0;
	}

	get store(): Store {
		if (this.#store === undefined) throw new Error("the store is closed");
		return this.#store;
	}

	wrote(bytes: number): void {
		this.#pacer.wrote(bytes);
		this.#count("written", bytes);
	}

	compared(bytes: number): void {
		this.#count("compared", bytes);
	}

	/** Makes the store and some streams. */
	async begin(): Promise<void> {
		this.#store = await open(this.#folder, options);
		for (let count = 0; count < STREAMS / 4; count++) await this.#create();
	}

	/** Works until told to stop; fails at the first thing that is not as it must be. */
	async run(): Promise<void> {
		const hands = Array.from({ length: HANDS }, () => this.#hand());
		const followers = Array.from({ length: FOLLOWERS }, () => this.#follower());
		await Promise.all([...hands, ...followers]);
	}

	/** Ends what `run` does. The followers end with the store. */
	async stop(): Promise<void> {
		this.#stopped = true;
		await this.#rest();
		await this.#close();
	}

	/** Closes the store while nobody writes, verifies it, opens it again and compares all streams. */
	async reopen(): Promise<void> {
		if (this.#stopped) return;
		let open: () => void = () => {};
		this.#closed = new Promise((resolve) => (open = resolve));
		await this.#rest();
		await this.#close();
		const { problems } = await verifyStore(this.#folder);
		must(problems.length === 0, `verify finds ${JSON.stringify(problems)}`);
		this.#store = await this.#openBesideReader();
		const found = (await this.store.scope(SCOPE).list()).map(({ stream }) => stream);
		const known = this.#streams.map(({ name }) => name);
		must(found.toSorted().join() === known.toSorted().join(), `${found.length} streams instead of ${known.length}`);
		for (const stream of this.#streams) await stream.check(this.store);
		this.#closed = undefined;
		open();
		this.#count("reopen");
	}

	/** A fault made on purpose: some streams are taken for others from now on. */
	mistake(): void {
		for (const stream of this.#streams) Object.assign(stream, { number: stream.number + 1 });
	}

	#count(name: string, by = 1): void {
		this.counts[name] = (this.counts[name] ?? 0) + by;
	}

	async #rest(): Promise<void> {
		while (this.#atWork > 0) await sleep(5);
	}

	async #close(): Promise<void> {
		const store = this.#store;
		this.#store = undefined;
		await store?.close();
	}

	/** The second process may be about to recover the store, as it finds no owner. */
	async #openBesideReader(): Promise<Store> {
		const deadline = performance.now() + LOCKED_MS;
		for (;;) {
			try {
				return await open(this.#folder, options);
			} catch (error) {
				if (!StreambedError.is(error, "STREAMBED_LOCKED") || performance.now() > deadline) throw error;
				this.#count("locked");
				await sleep(20);
			}
		}
	}

	async #create(): Promise<void> {
		const stream = new SoakStream(this.#number++);
		stream.held = true;
		const { retention } = stream;
		await this.store.scope(SCOPE).create(stream.name, { segmentBytes: 256 * KiB, retention });
		stream.held = false;
		this.#streams.push(stream);
		this.#count("create");
	}

	async #hand(): Promise<void> {
		for (;;) {
			await this.#pacer.pace();
			// Nothing may come between the look and the counting.
			while (this.#closed !== undefined) await this.#closed;
			if (this.#stopped) return;
			this.#atWork++;
			try {
				await this.#act();
			} finally {
				this.#atWork--;
			}
		}
	}

	async #act(): Promise<void> {
		const free = this.#streams.filter(({ held }) => !held);
		const target = free[this.random(free.length)];
		const drawn = this.random(1000);
		if (target === undefined || (drawn < 20 && this.#streams.length < STREAMS)) return await this.#create();
		target.held = true;
		try {
			if (drawn >= 990 || (target.sealed && drawn >= 900)) {
				this.#streams.splice(this.#streams.indexOf(target), 1);
				await remove(this, target);
				return this.#count("delete");
			}
			if (!target.expires && target.tail - target.head > MOST_BYTES) await truncate(this, target, KEEP_BYTES);
			const [name, act] = this.#draw(target);
			await act.run(this, target);
			this.#count(name);
		} catch (error) {
			throw new Error(`stream ${target.name}, retention ${JSON.stringify(target.retention)}`, { cause: error });
		} finally {
			target.held = false;
		}
	}

	/** One of the acts that a stream allows, by their shares. */
	#draw({ sealed, expires }: SoakStream): [string, Act] {
		const fit = Object.entries(acts).filter(([, act]) => (!sealed || act.sealed) && !(expires && act.still));
		let left = this.random(fit.reduce((sum, [, { share }]) => sum + share, 0));
		const found = fit.find(([, { share }]) => {
			left -= share;
			return left < 0;
		});
		return found as [string, Act];
	}

	async #follower(): Promise<void> {
		for (let turn = 0; ; turn++) {
			while (this.#closed !== undefined) await this.#closed;
			if (this.#stopped || this.#store === undefined) return;
			const target = this.#streams[this.random(this.#streams.length)];
			if (target === undefined) continue;
			const ms = 1 + this.random(FOLLOW_MS);
			await follow(this.#store, target.name, ms, turn % 2 === 0 ? "abort" : "close", async (bytes) => {
				this.compared(bytes);
				await this.#pacer.pace();
			});
			this.#count("follow");
			await this.#pacer.pace();
		}
	}
}
