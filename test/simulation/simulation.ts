/**
 * One store's life on a simulated machine: opened, used by several clients at random, ended by a crash of the machine, the
 * death of its process or an orderly close, opened again, and so on; and after each opening all of it is compared with
 * what was promised.
 */
import {
	type ByteStream,
	type Limits,
	open,
	type RecordStream,
	type Store,
	StreambedError,
	verifyStore,
} from "../../src/index.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import { type Promised, readBeside } from "./beside-reader.ts";
import { Client, NAMES, SCOPE, type Sizes, type Surroundings } from "./clients.ts";
import { flipBits, readDamaged } from "./damage.ts";
import { type DiskBreaker, Machine } from "./machine.ts";
import { checkPrepared } from "./multipart-user.ts";
import { isOfTheDisk } from "./outcomes.ts";
import type { RecordModel } from "./record-model.ts";
import { checkAllRecords, readDamagedRecords } from "./record-side.ts";
import { type RecordStreams, RecordUser } from "./record-user.ts";
import type { DiskFault } from "./scheduled-disk.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { SimulationFailure } from "./simulation-failure.ts";
import type { FoundStream, StreamModel } from "./stream-model.ts";

/** Several folders deep, and none of them there at first. */
const ROOT = "/var/lib/store";
const KiB = 1024;
/** Steps of the wall clock: those that a next owner cannot tell from time that passed, and those that he can, in milliseconds. */
const clockSteps = [
	[50, 60_000],
	[3_600_000, 86_400_000],
] as const;

/** What a run has done. */
export interface SimulationCounts {
	crashes: number;
	operations: number;
	historiesChecked: number;
}

/** How a store is used in a run. */
interface Profile {
	readonly sizes: Sizes;
	readonly streamBytes: number;
	readonly durability: "sync" | "os";
	readonly limits: Partial<Limits>;
	/** Share of the clients that use record streams; every second run has byte streams alone, so that those lose nothing by it. */
	readonly records: number;
}

const sizeProfiles: readonly { readonly sizes: Sizes; readonly streamBytes: number; readonly weight: number }[] = [
	{ weight: 6, streamBytes: 300_000, sizes: { none: 1, tiny: 20, small: 10, medium: 3, large: 0, huge: 0 } },
	{ weight: 3, streamBytes: 1_000_000, sizes: { none: 1, tiny: 10, small: 10, medium: 10, large: 2, huge: 0 } },
	{ weight: 2, streamBytes: 5_000_000, sizes: { none: 1, tiny: 4, small: 4, medium: 4, large: 8, huge: 4 } },
];

/** One run: everything in it comes from its seed. */
export class Simulation {
	readonly counts: SimulationCounts = { crashes: 0, operations: 0, historiesChecked: 0 };
	readonly machine: Machine;
	readonly #random: SeededRandom;
	readonly #profile: Profile;
	/** Streams that are there, or may be. */
	readonly #models = new Map<string, StreamModel>();
	readonly #records = new Map<string, RecordModel>();
	#appends = 0;
	#lanes = 0;
	#reading = false;
	/** Lives in which the disk failed since the second process began to read. */
	#faults = 0;
	/** By so much the wall clock is set now and then. */
	readonly #steps: readonly number[];
	/** It was set and no owner has seen it: what is old cannot be told any more. */
	#agesUnknown = false;
	/** It was set by so little, or at such a time, that the next owner takes it for time that passed. */
	#unnoted = false;

	constructor(seed: number, breaker?: DiskBreaker) {
		this.machine = new Machine(seed, breaker);
		this.#random = this.machine.random.fork();
		this.#profile = this.#makeProfile(seed);
		this.#steps = this.#random.chance(0.5) ? [] : this.#random.pick(clockSteps);
	}

	/** Runs until so many crashes have happened; then looks at everything once more. @throws SimulationFailure */
	async run(crashes: number): Promise<SimulationCounts> {
		while (this.counts.crashes < crashes) await this.#life();
		await this.#lastLook();
		return this.counts;
	}

	#makeProfile(seed: number): Profile {
		const random = this.#random;
		const weights = Object.fromEntries(sizeProfiles.map(({ weight }, index) => [String(index), weight]));
		const { sizes, streamBytes } = sizeProfiles[Number(random.weighted(weights))] as (typeof sizeProfiles)[number];
		return {
			sizes,
			streamBytes,
			durability: random.chance(0.1) ? "os" : "sync",
			records: seed % 2 === 0 ? 0 : random.pick([0.3, 0.5, 0.7, 1]),
			limits: {
				journalBytes: 16 * KiB * KiB,
				pendingBytes: random.pick([64 * KiB, 1024 * KiB, 16 * KiB * KiB]),
				directBytes: random.pick([200, 5000, 100_000, 512 * KiB]),
				tailCacheBytes: random.pick([0, 64 * KiB, 4 * KiB * KiB]),
				readCacheBytes: random.pick([0, 256 * KiB, 4 * KiB * KiB]),
				openFiles: random.pick([8, 64]),
			},
		};
	}

	/** From one opening to the next end. */
	async #life(): Promise<void> {
		const { machine } = this;
		const random = this.#random;
		const length = random.weighted({ opening: 3, short: 3, long: 3 });
		const operations = {
			opening: random.between(1, 60),
			short: random.between(30, 250),
			long: random.between(200, 900),
		};
		// What was only handed to the operating system is not expected to survive the machine.
		const crash = this.#profile.durability === "sync" ? 6 : 0;
		const end = random.weighted({ crash, kill: 3, close: length === "opening" ? 0 : 1.5 });
		machine.note(`life ${length} ${end}`);
		this.#judgeAges();
		machine.operationsLeft = operations[length];
		if (!this.#reading && random.chance(0.15)) await this.#recoverByReader();
		const owner = machine.start();
		owner.disk.fault = this.#makeFault();
		if (owner.disk.fault !== undefined) this.#faults++;
		const closed = await this.#use(owner, end).catch((error: unknown) => {
			if (owner.disk.fault !== undefined && isOfTheDisk(error)) return false;
			throw error;
		});
		if (closed) return;
		this.counts.crashes++;
		if (end === "kill" || crash === 0) await machine.kill(owner);
		else {
			await machine.crash();
			this.#reading = false;
		}
	}

	/** Opens, checks, uses the store; tells whether it was closed in order, before its end came. */
	async #use(owner: SimulatedProcess, end: "crash" | "kill" | "close"): Promise<boolean> {
		const { machine } = this;
		const opened = await this.#open(owner);
		if (opened === undefined) return false;
		// While all is compared nothing fails: what could not be read would look like something lost.
		const { fault } = owner.disk;
		owner.disk.fault = undefined;
		const handles = await machine.until(this.#checkAll(opened));
		owner.disk.fault = fault;
		if (handles === undefined) return false;
		const around = this.#surroundings(owner, opened, handles.value.bytes);
		const clients = this.#clients(around, { models: this.#records, handles: handles.value.records });
		for (const client of clients) machine.watch(client);
		if (!this.#reading && this.#random.chance(0.4)) await this.#startReader();
		// A store that has stopped asks nothing of its disk any more: steps count as well.
		await machine.until(machine.pause(owner, 20 * machine.operationsLeft));
		if (end !== "close") return false;
		machine.operationsLeft = this.#random.chance(0.3) ? this.#random.between(1, 100) : Number.POSITIVE_INFINITY;
		around.closing = true;
		if (this.#random.chance(0.7) && (await machine.until(Promise.all(clients))) === undefined) return false;
		const close = opened.close().catch((error: unknown) => this.#judgeClose(error));
		if ((await machine.until(Promise.all([close, ...clients]))) === undefined) return false;
		machine.ended(owner);
		return true;
	}

	/** Closing a store closes its writers, and tells what their appends were refused for. */
	#judgeClose(error: unknown): void {
		const models = [...this.#models.values(), ...this.#records.values()];
		const sealed = StreambedError.is(error, "STREAMBED_SEALED") && models.some(({ sealAsked }) => sealAsked);
		const deleted = StreambedError.is(error, "STREAMBED_NOT_FOUND") && models.some(({ deleteAsked }) => deleteAsked);
		if (!sealed && !deleted) throw error;
	}

	#clients(around: Surroundings, records: RecordStreams): Promise<void>[] {
		const lanes = new Map<StreamModel, number>();
		const recordLanes = new Map<RecordModel, number>();
		return Array.from({ length: this.#random.between(2, 5) }, () =>
			this.#profile.records > 0 && this.#random.chance(this.#profile.records)
				? new RecordUser(around, records, recordLanes).run()
				: new Client(around, lanes).run(),
		);
	}

	/** Opens the store for writing; `undefined` if the end came first. */
	async #open(owner: SimulatedProcess): Promise<Store | undefined> {
		for (;;) {
			const opening = this.#openAs(owner, "write");
			await this.machine.loaded(owner, opening);
			try {
				return (await this.machine.until(opening))?.value;
			} catch (error) {
				// The second process may be recovering the store just now.
				if (!(this.#reading && StreambedError.is(error, "STREAMBED_LOCKED"))) throw error;
				if ((await this.machine.until(this.machine.pause(owner, 20))) === undefined) return undefined;
			}
		}
	}

	#openAs({ disk, clock, lock }: SimulatedProcess, mode: "write" | "read"): Promise<Store> {
		const { durability, limits } = this.#profile;
		const write = mode === "write" ? { durability, create: true } : {};
		return open(`file:${ROOT}`, { mode, disk, clock, lock, limits, random: this.#random.fork(), ...write });
	}

	#surroundings(owner: SimulatedProcess, store: Store, handles: Map<StreamModel, ByteStream>): Surroundings {
		const { machine } = this;
		return {
			store,
			handles,
			models: this.#models,
			random: this.#random,
			sizes: this.#profile.sizes,
			streamBytes: this.#profile.streamBytes,
			busy: new Set(),
			inDoubt: new Set(),
			closing: false,
			faulty: owner.disk.fault !== undefined,
			tick: () => {
				this.counts.operations++;
				return machine.tick();
			},
			nextAppend: () => {
				this.#appends++;
				return this.#appends;
			},
			nextLane: () => {
				this.#lanes++;
				return this.#lanes;
			},
			pause: (steps) => machine.pause(owner, steps),
			nowMs: () => (this.#agesUnknown ? Number.NaN : machine.clock.monotonic()),
			endSoon: () => {
				const few = this.#random.between(1, 10);
				if (machine.operationsLeft < Number.POSITIVE_INFINITY)
					machine.operationsLeft = Math.min(machine.operationsLeft, few);
			},
			setClock: this.#steps.length > 0 ? () => this.#setClock(owner, store) : undefined,
			sleep: (ms) => sleep(owner, ms),
		};
	}

	/** Where a step of the clock was not seen by an owner, the next one takes it for time that passed. */
	#judgeAges(): void {
		this.#agesUnknown ||= this.#unnoted || this.machine.stepsUnseen > 0;
	}

	#makeFault(): DiskFault | undefined {
		const random = this.#random;
		if (!random.chance(0.12)) return undefined;
		const code = random.pick(["EIO", "ENOSPC"] as const);
		return {
			code,
			after: random.below(random.pick([40, 400])),
			times: random.pick([1, 1, 5, Number.POSITIVE_INFINITY]),
		};
	}

	/** Sets the wall clock; long enough after that the owner has seen it, and noted it for the next one. */
	async #setClock(owner: SimulatedProcess, store: Store): Promise<void> {
		const { machine } = this;
		const stepped = store.stats().retention.clockStepped;
		const ms = this.#random.pick([-1, 1]) * this.#random.pick(this.#steps);
		machine.note(`clock ${ms}`);
		// The next owner does not know of steps of up to ten minutes, nor of any that the disk did not take the note of.
		this.#unnoted ||= (ms > 0 && ms <= 600_000) || owner.disk.fault !== undefined;
		machine.clock.step(ms);
		machine.stepsUnseen++;
		// What happens before he has seen it must not believe the clock either.
		await machine.pause(owner, this.#random.below(200));
		// He looks once a second. Time is made to pass at once: the life would mostly end before.
		const isSeen = (): boolean => ms <= 600_000 || stepped || store.stats().retention.clockStepped;
		for (let looks = 0; looks < 2 || (looks < 20 && !isSeen()); looks++) {
			machine.clock.advance(1000);
			// Between two operations of the noting none waits for a moment.
			for (let quiet = 0; quiet < 3; quiet++) {
				await machine.pause(owner, 20);
				if (owner.disk.waitsFor(/\/journal(\/clock-step.*)?$/)) quiet = -1;
			}
		}
		// A store that has stopped looks no more.
		if (isSeen()) machine.stepsUnseen--;
	}

	/** Starts a second process that reads for a while; it may outlive the owner, not the machine. */
	async #startReader(): Promise<void> {
		const { machine } = this;
		const reader = machine.start();
		const opening = this.#openAs(reader, "read");
		this.#reading = true;
		this.#faults = 0;
		await machine.loaded(reader, opening);
		machine.watch(this.#readBeside(reader, opening, new Map()));
	}

	/** A second process finds the store without an owner: it recovers it, and sees all that was promised. */
	async #recoverByReader(): Promise<void> {
		const { machine } = this;
		const reader = machine.start();
		const promised = this.#promised();
		const opening = this.#openAs(reader, "read");
		this.#reading = true;
		this.#faults = 0;
		await machine.loaded(reader, opening);
		machine.watch(this.#readBeside(reader, opening, promised));
		// Beside an owner that is just opening it may see less.
		if ((await machine.until(opening.catch(() => undefined))) === undefined) promised.clear();
	}

	/** Tails that nobody may be told less of, by stream and shard. */
	#promised(): Map<StreamModel | RecordModel, readonly number[]> {
		const bytes = [...this.#models.values()].map((model) => [model, [model.promised]] as const);
		const records = [...this.#records.values()].map((model) => [model, model.promised] as const);
		return new Map<StreamModel | RecordModel, readonly number[]>([...bytes, ...records]);
	}

	async #readBeside(reader: SimulatedProcess, opening: Promise<Store>, promised: Promised): Promise<void> {
		const { machine } = this;
		const random = this.#random.fork();
		const store = await opening.catch((error: unknown) => {
			// There is none before the first owner has made it.
			if (this.#models.size + this.#records.size === 0 && StreambedError.is(error, "STREAMBED_NOT_FOUND"))
				return undefined;
			throw error;
		});
		if (store !== undefined)
			await readBeside({
				store,
				random,
				models: this.#models,
				records: this.#records,
				promised,
				mayBeDamaged: () => this.#faults > 0,
				sleep: (ms) => sleep(reader, ms),
			});
		machine.ended(reader);
		this.#reading = false;
	}

	// Comparing

	/** Compares every stream with its model and opens a handle to it. */
	async #checkAll(
		store: Store,
	): Promise<{ readonly bytes: Map<StreamModel, ByteStream>; readonly records: Map<RecordModel, RecordStream> }> {
		const bytes = await this.#checkBytes(store);
		if (this.#profile.records === 0) return { bytes, records: new Map() };
		const { handles, histories } = await checkAllRecords({
			store,
			models: this.#records,
			random: this.#random,
			readFile: async (path) =>
				Buffer.from(await this.machine.disk.readFile(`${ROOT}/streams/${SCOPE}/${path}`)).toString(),
			note: (line) => this.machine.note(line),
		});
		this.counts.historiesChecked += histories;
		return { bytes, records: handles };
	}

	async #checkBytes(store: Store): Promise<Map<StreamModel, ByteStream>> {
		const handles = new Map<StreamModel, ByteStream>();
		const listed = new Set((await store.scope(SCOPE).list()).map(({ stream }) => stream));
		for (const name of NAMES) {
			const model = this.#models.get(name);
			const stream = store.scope(SCOPE).stream(name);
			const there = await this.#isThere(stream);
			if (there !== listed.has(name))
				throw new SimulationFailure(`${name} is ${there ? "there" : "not there"}, and the list says otherwise`);
			if (!there) {
				if (model?.created === true && !model.deleteAsked) model.fail("it is gone");
				this.#models.delete(name);
				continue;
			}
			if (model === undefined) throw new SimulationFailure(`${name} is there, and it was never made or was deleted`);
			await this.#checkStream(model, stream);
			model.deleteAsked = false;
			handles.set(model, stream);
		}
		return handles;
	}

	async #isThere(stream: ByteStream): Promise<boolean> {
		try {
			await stream.open();
			return true;
		} catch (error) {
			if (StreambedError.is(error, "STREAMBED_NOT_FOUND")) return false;
			throw error;
		}
	}

	async #checkStream(model: StreamModel, stream: ByteStream): Promise<void> {
		const { id, head, tail, sealed, content } = await this.#read(model, stream);
		model.found({ id, head, tail, sealed, content });
		if (model.history.length > 0) {
			this.counts.historiesChecked++;
			const wrong = model.history.check();
			if (wrong !== undefined) model.fail(wrong);
		}
		await checkPrepared(model, stream);
		model.beginHistory();
		this.machine.note(`found ${model.name} ${head} ${tail} ${sealed}`);
	}

	/** All of a stream, as it is at one moment: retention may take something away while it is read. */
	async #read(model: StreamModel, stream: ByteStream): Promise<FoundStream> {
		for (;;) {
			const { id, shards, sealed } = await stream.info();
			const { head, tail } = shards[0] as { head: number; tail: number };
			model.toldTail(tail);
			const parts: Uint8Array[] = [];
			let at = head;
			try {
				for await (const bytes of stream.reader({ from: { offset: head }, to: { offset: tail } })) {
					model.sawBytes(at, bytes, "read after opening");
					parts.push(bytes);
					at += bytes.length;
				}
				return { id, head, tail, sealed, content: Buffer.concat(parts) };
			} catch (error) {
				if (!StreambedError.is(error, "STREAMBED_TRUNCATED")) throw error;
			}
		}
	}

	/** At the end: opened once more, closed, verified; then with bits flipped. */
	async #lastLook(): Promise<void> {
		const { machine } = this;
		this.#judgeAges();
		machine.operationsLeft = Number.POSITIVE_INFINITY;
		for (let times = 0; times < 2; times++) await this.#opened((store) => this.#checkAll(store));
		const { problems } = await verifyStore(ROOT, { disk: machine.disk });
		if (problems[0] !== undefined) throw new SimulationFailure(`verify finds ${JSON.stringify(problems[0])}`);
		// A second process that still reads would rightly complain.
		await machine.killAll();
		await flipBits(machine.disk, ROOT, this.#random);
		await this.#opened(async (store) => {
			await readDamaged(store, this.#models.values());
			await readDamagedRecords(store, this.#records.values());
		});
	}

	/** Opens the store, works on it, closes it; nothing else happens meanwhile. */
	async #opened(work: (store: Store) => Promise<unknown>): Promise<void> {
		const owner = this.machine.start();
		const store = (await this.#open(owner)) as Store;
		await this.machine.until(work(store));
		await this.machine.until(store.close());
		this.machine.ended(owner);
	}
}

/** Milliseconds of a process's time; never ends if the process does so first. */
function sleep({ clock }: SimulatedProcess, ms: number): Promise<void> {
	return new Promise((resolve) => clock.setTimer(ms, resolve));
}
