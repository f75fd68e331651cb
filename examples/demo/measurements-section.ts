/** The part of the page about the second act: where the measurements lie, shard by shard. */
import type { MeasurementsResult, ShardResult } from "./measurements-job.ts";
import { formatBytes, formatCount } from "./progress.ts";

/** The section as HTML. */
export function measurementsSection(result: MeasurementsResult): string {
	const { records, keys, grownFrom, shards, followed, readBack, writeSeconds } = result;
	const most = Math.max(1, ...shards.map((shard) => shard.records));
	return `<section aria-labelledby="measurements">
<h2 id="measurements">The measurements</h2>
<p>${formatCount(records, "line")} of a file became records on shards, in ${writeSeconds.toFixed(2)} s, while the stream grew from
${grownFrom} to ${shards.length} shards. Each of ${formatCount(keys, "sensor")} is a key.
<span class="swatch tone1" aria-hidden="true"></span> The first part of a bar is what a shard held when the stream grew, <span class="swatch tone1 later" aria-hidden="true"></span> the rest came later.
Followed live: ${verdict(followed.inOrder)}. Read back: ${verdict(readBack.inOrder)}.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="measurements">
<table>
<thead><tr><th scope="col">Shard</th><th scope="col" class="wide">Records</th><th scope="col" class="number">In all</th>
<th scope="col" class="number">Stored</th></tr></thead>
<tbody>
${shards.map((shard) => row(shard, most)).join("\n")}
</tbody>
</table>
</div>
</section>
`;
}

function row({ shard, records, before, bytes }: ShardResult, most: number): string {
	const share = (count: number): string => `${((count / most) * 100).toFixed(2)}%`;
	return `<tr><th scope="row">${shard}</th><td class="wide"><div class="bar" aria-hidden="true"><span class="tone1" style="width:${share(before)}"></span><span class="tone1 later" style="width:${share(records - before)}"></span></div></td>
<td class="number">${records.toLocaleString("en")}</td><td class="number">${formatBytes(bytes)}</td></tr>`;
}

function verdict(inOrder: boolean): string {
	return inOrder ? "every sensor in the order of the file" : "differs";
}

/** What the section adds to the page's style. */
export const measurementsStyle = `
.wide { width: 60%; }
.bar { display: flex; height: 1.1rem; overflow: hidden; border-radius: .25rem; background: var(--line); }
.later { opacity: .5; }
.swatch { display: inline-block; width: 1em; height: .8em; border-radius: .2em; }
`;
