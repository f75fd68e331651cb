/** Locations in a shard whose bounds are known. */
import type { PositionQuery } from "../../core/location.ts";
import { outOfRange, truncated } from "./log-errors.ts";

/** Resolves a location; `undefined` for a time, which its frames have to tell. @throws TRUNCATED, OUT_OF_RANGE */
export function locateKnown(name: string, head: number, tail: number, query: PositionQuery): number | undefined {
	switch (query.at) {
		case "head":
			return head;
		case "tail":
			return tail;
		case "last":
			return Math.max(head, tail - query.count);
		case "time":
			return undefined;
		case "position":
			if (query.position < head) throw truncated(name, query.position, head);
			if (query.position > tail) throw outOfRange(name, query.position, tail);
			return query.position;
	}
}
