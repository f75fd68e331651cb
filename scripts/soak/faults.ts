/** Faults made on purpose: each has to turn a run red, or a green one means nothing. */
import { openSync } from "node:fs";

/** Made ten times a second. */
export const FAULT_EVERY_MS = 100;

const held: unknown[] = [];

/** By name: what is done each time. `undefined` where the load itself does it. */
export const faults: Readonly<Record<string, (() => void) | undefined>> = {
	"leak-heap": () => void held.push(Array.from({ length: 200_000 }, (_, index) => index + 0.5)),
	"leak-buffers": () => void held.push(Buffer.alloc(2_000_000, 1)),
	"leak-descriptors": () => {
		for (let count = 0; count < 3; count++) openSync("/dev/null", "r");
	},
	"leak-timers": () => {
		for (let count = 0; count < 3; count++) setTimeout(() => {}, 2 ** 31 - 1);
	},
	"wrong-byte": undefined,
};
