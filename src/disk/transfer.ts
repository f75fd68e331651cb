/**
 * Reads and writes that are whole: the operating system may move fewer bytes than it was asked to, these loop until
 * all are moved. Callbacks, not promises: one promise per operation is all that a caller pays.
 */
import { systemError } from "./system-error.ts";

/** The calls of `node:fs` that move bytes, an argument so that tests can move fewer. */
export interface FdIo {
	read(
		fd: number,
		target: Uint8Array,
		offset: number,
		length: number,
		position: number,
		done: (error: Error | null, bytes: number) => void,
	): void;
	write(
		fd: number,
		data: Uint8Array,
		offset: number,
		length: number,
		position: number,
		done: (error: Error | null, bytes: number) => void,
	): void;
	writev(
		fd: number,
		data: readonly Uint8Array[],
		position: number,
		done: (error: Error | null, bytes: number) => void,
	): void;
}

/** Ends an operation: with an error, or with the bytes moved. */
export type Done = (error: Error | null, bytes: number) => void;

/** Most buffers in one call; Linux and macOS take 1,024. */
export const maxBuffersPerCall = 1000;

/** Fills `target` from `position` on, or up to the end of the file. */
export function readWhole(io: FdIo, fd: number, target: Uint8Array, position: number, done: Done): void {
	const length = target.byteLength;
	const step = (filled: number): void => {
		io.read(fd, target, filled, length - filled, position + filled, (error, bytes) => {
			if (error !== null) done(error, filled);
			else if (bytes === 0 || filled + bytes >= length) done(null, filled + bytes);
			else step(filled + bytes);
		});
	};
	if (length === 0) process.nextTick(done, null, 0);
	else step(0);
}

/** Writes all of `data` at `position`. */
export function writeWhole(io: FdIo, fd: number, data: Uint8Array, position: number, done: Done): void {
	const length = data.byteLength;
	const step = (written: number): void => {
		io.write(fd, data, written, length - written, position + written, (error, bytes) => {
			if (error !== null) done(error, written);
			else if (written + bytes >= length) done(null, written + bytes);
			else if (bytes === 0) done(stuck(), written);
			else step(written + bytes);
		});
	};
	if (length === 0) process.nextTick(done, null, 0);
	else step(0);
}

/** Writes all buffers one after another from `position` on, at most {@link maxBuffersPerCall} in a call. */
export function writeBuffers(io: FdIo, fd: number, data: readonly Uint8Array[], position: number, done: Done): void {
	const buffers = data.filter((buffer) => buffer.byteLength > 0);
	let written = 0;
	let index = 0;
	const step = (): void => {
		const slice = buffers.slice(index, index + maxBuffersPerCall);
		io.writev(fd, slice, position + written, (error, bytes) => {
			if (error !== null || bytes === 0) {
				done(error ?? stuck(), written);
				return;
			}
			written += bytes;
			advance(bytes);
			if (index >= buffers.length) done(null, written);
			else step();
		});
	};
	const advance = (bytes: number): void => {
		let left = bytes;
		for (let buffer = buffers[index]; buffer !== undefined && left > 0; buffer = buffers[index]) {
			if (buffer.byteLength > left) {
				buffers[index] = buffer.subarray(left);
				return;
			}
			left -= buffer.byteLength;
			index++;
		}
	};
	if (buffers.length === 0) process.nextTick(done, null, 0);
	else step();
}

/** A write that moves nothing and reports no error would loop for ever. */
function stuck(): Error {
	return systemError("EIO", "write", "");
}
