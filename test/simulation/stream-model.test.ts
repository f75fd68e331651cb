/** What a model says of a stream that is not what was promised. */
import { describe, expect, it } from "vitest";
import { payloadOf } from "./payloads.ts";
import { type Attempt, StreamModel } from "./stream-model.ts";

const SIZES = [700, 1, 300];
const TOTAL = 1001;

function attempt(number: number, bytes: number, lane = 1): Attempt {
	return { number, bytes, expect: undefined, called: 10 * number, lane };
}

/** A stream with three appends, all of them answered, and their bytes. */
function answered(): { model: StreamModel; content: Buffer } {
	const model = new StreamModel("a");
	model.id = "id";
	let at = 0;
	for (const [index, bytes] of SIZES.entries()) {
		const asked = attempt(index + 1, bytes);
		model.handedOver(asked);
		model.stored(asked, at, at + bytes, asked.called + 1);
		at += bytes;
	}
	return { model, content: Buffer.concat(SIZES.map((bytes, index) => payloadOf(index + 1, bytes))) };
}

const found = (content: Uint8Array, more: object = {}) => ({
	id: "id",
	head: 0,
	tail: content.length,
	sealed: false,
	content,
	...more,
});

describe("a model of a stream", () => {
	it("takes what was promised, and nothing with one byte changed, lost, moved or doubled", () => {
		const { content } = answered();
		answered().model.found(found(content));
		for (let at = 0; at < TOTAL - 1; at += 50) {
			const changed = Buffer.from(content);
			changed[at] = (changed[at] as number) ^ 1;
			expect(() => answered().model.found(found(changed))).toThrow(`the byte at ${at} is wrong`);
			const lost = Buffer.concat([content.subarray(0, at), content.subarray(at + 1)]);
			expect(() => answered().model.found(found(lost))).toThrow(/is lost/);
			expect(() => answered().model.found(found(Buffer.concat([lost, content.subarray(at, at + 1)])))).toThrow(
				/is wrong/,
			);
			const doubled = Buffer.concat([content.subarray(0, at + 1), content.subarray(at)]);
			expect(() => answered().model.found(found(doubled))).toThrow(/is wrong|no sequence of whole appends/);
		}
	});

	it("takes unanswered appends whole, in their order, or not at all", () => {
		const open = (): { model: StreamModel; content: Buffer } => {
			const { model, content } = answered();
			model.handedOver(attempt(4, 20));
			model.handedOver(attempt(5, 30));
			model.handedOver(attempt(6, 40, 2));
			return { model, content };
		};
		const { content } = answered();
		const end = (...appends: readonly (readonly [number, number])[]): Buffer =>
			Buffer.concat([content, ...appends.map(([number, bytes]) => payloadOf(number, bytes))]);
		for (const good of [
			end(),
			end([4, 20]),
			end([4, 20], [5, 30]),
			end([6, 40], [4, 20]),
			end([4, 20], [6, 40], [5, 30]),
		]) {
			open().model.found(found(good));
		}
		for (const bad of [end([4, 19]), end([5, 30]), end([5, 30], [4, 20]), end([4, 20], [4, 20])]) {
			expect(() => open().model.found(found(bad))).toThrow(/no sequence of whole appends/);
		}
	});

	it("remembers what was told and read, although nobody was told of its append", () => {
		const { content } = answered();
		const { model } = answered();
		model.handedOver(attempt(4, 20));
		model.toldTail(TOTAL + 20);
		expect(() => model.found(found(content))).toThrow(`what was there up to ${TOTAL + 20} is lost`);
		const { model: second } = answered();
		second.handedOver(attempt(4, 20));
		second.sawBytes(TOTAL, payloadOf(4, 20), "a read");
		expect(() => second.found(found(content))).toThrow(/are gone/);
	});

	it("takes back no head, no seal and no id", () => {
		const { content } = answered();
		const { model } = answered();
		model.headAsked(700, 50);
		model.headMoved(700, 700, 50, 51);
		model.sealAskedAt(52);
		model.wasSealed(TOTAL, 52, 53);
		expect(() => model.found(found(content, { sealed: true }))).toThrow(/a truncation is undone/);
		const rest = content.subarray(700);
		const right = { head: 700, tail: TOTAL, sealed: true };
		expect(() => model.found(found(rest, { ...right, sealed: false }))).toThrow(/a seal is undone/);
		expect(() => model.found(found(rest, { ...right, id: "other" }))).toThrow(/another id/);
		expect(() => model.found(found(content.subarray(701), { ...right, head: 701 }))).toThrow(/nobody asked/);
		model.found(found(rest, right));
	});

	it("refuses positions that were given before, and a tail in the middle of an append", () => {
		const { model } = answered();
		model.handedOver(attempt(4, 20));
		expect(() => model.stored(attempt(4, 20), TOTAL - 1, TOTAL + 19, 60)).toThrow(/given twice/);
		expect(() => answered().model.toldTail(650)).toThrow("the tail 650 cuts an append");
	});
});
