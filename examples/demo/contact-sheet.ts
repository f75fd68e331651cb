/** A page to look at: the pictures as they came out of the stream, where they lie in it, and whether they are equal. */
import type { MeasurementsResult } from "./measurements-job.ts";
import { measurementsSection, measurementsStyle } from "./measurements-section.ts";
import { formatBytes, formatCount } from "./progress.ts";
import type { DemoResult, StoredFile } from "./result.ts";

/** The page as HTML; pictures are linked as `images/…` beside it. */
export function contactSheet(result: DemoResult, measurements: MeasurementsResult | undefined): string {
	const { files, bytes, appends, seconds, writeSeconds, followed } = result;
	const ok = result.ok && measurements?.ok !== false;
	const more = measurements === undefined ? "" : measurementsSection(measurements);
	const images = files.reduce((sum, file) => sum + file.images.length, 0);
	const pictures = `${formatCount(images, "picture")} in one byte stream`;
	const title = measurements === undefined ? pictures : `${pictures}, ${onShards(measurements)}`;
	const what = measurements === undefined ? "Every picture" : "Every picture and every measurement";
	const verdict = ok ? `${what} came out as it went in.` : "Something differs: look for “differs” below.";
	return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Streambed demo: ${title}</title>
<style>${style}${measurementsStyle}</style>
</head>
<body>
<header>
<p class="brand">Streambed demo</p>
<h1>${title}</h1>
<p class="verdict ${ok ? "good" : "bad"}"><span aria-hidden="true">${ok ? "✓" : "✗"}</span> ${verdict}</p>
<dl class="facts">
${fact("Stored", formatBytes(bytes))}${fact("Appends", appends.toLocaleString("en"))}${fact("Files", String(files.length))}
${fact("Written, each append synced", `${writeSeconds.toFixed(2)} s`)}${fact("Written, read back and compared", `${seconds.toFixed(2)} s`)}
${fact("Followed live", `${formatCount(followed.images, "picture")}, ${equality(followed.equal)}`)}
</dl>
</header>
<main>
<section aria-labelledby="layout">
<h2 id="layout">The stream</h2>
<p>All files lie one behind the other, without a byte in between. The pictures below were cut out of it again by their
own framing alone.</p>
<div class="strip" aria-hidden="true">${files.map((file, i) => stripPart(file, i)).join("")}</div>
<p class="scale" aria-hidden="true"><span>0</span><span>${bytes.toLocaleString("en")} bytes</span></p>
</section>
<section aria-labelledby="pictures">
<h2 id="pictures">The pictures</h2>
<ul class="grid">
${files.flatMap((file) => file.images.map((_, part) => card(file, part))).join("\n")}
</ul>
</section>
<section aria-labelledby="numbers">
<h2 id="numbers">The numbers</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="numbers">
<table>
<caption>What was stored, and where. Offset is the place of a file’s first byte in the stream; an append is what
became durable as a whole.</caption>
<thead><tr><th scope="col">File</th><th scope="col">Format</th><th scope="col" class="number">Offset</th>
<th scope="col" class="number">Bytes</th><th scope="col" class="number">Appends</th><th scope="col">SHA-256</th>
<th scope="col">Came out</th></tr></thead>
<tbody>
${files.map(row).join("\n")}
</tbody>
</table>
</div>
</section>
${more}</main>
</body>
</html>
`;
}

function onShards({ records, shards }: MeasurementsResult): string {
	return `${formatCount(records, "measurement")} as records on ${formatCount(shards.length, "shard")}`;
}

function fact(name: string, value: string): string {
	return `<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

function stripPart(file: StoredFile, index: number): string {
	const title = `${file.name}: ${file.bytes.toLocaleString("en")} bytes at ${file.offset.toLocaleString("en")}`;
	return `<span class="tone${index % 4}" style="flex-grow:${file.bytes}" title="${escapeHtml(title)}"></span>`;
}

function card(file: StoredFile, part: number): string {
	const image = file.images[part];
	if (image === undefined) return "";
	const name = file.images.length === 1 ? file.name : `${file.name} (${part + 1} of ${file.images.length})`;
	const source = `images/${encodeURIComponent(image.output)}`;
	return `<li><figure><a href="${source}"><img src="${source}" alt="${escapeHtml(name)}" loading="lazy"></a>
<figcaption><b title="${escapeHtml(name)}">${escapeHtml(name)}</b><span>${formatBytes(image.bytes)} at offset ${image.from.toLocaleString("en")}</span>
</figcaption></figure></li>`;
}

function row(file: StoredFile): string {
	const number = (value: number): string => `<td class="number">${value.toLocaleString("en")}</td>`;
	return `<tr><th scope="row">${escapeHtml(file.name)}</th><td>${file.format.toUpperCase()}</td>${number(file.offset)}
${number(file.bytes)}${number(file.appends)}<td><code title="${file.sha256}">${file.sha256.slice(0, 16)}…</code></td>
<td class="${file.equal ? "good" : "bad"}">${equality(file.equal)}</td></tr>`;
}

function equality(equal: boolean): string {
	return equal ? "equal" : "differs";
}

function escapeHtml(text: string): string {
	return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const style = `
:root { color-scheme: light dark; --page: #f7f6f3; --card: #fff; --ink: #1d2129; --quiet: #5a6070; --line: #dcdad4;
	--good: #12693f; --bad: #b3261e; --accent: #1d5f8a; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --card: #1d2128; --ink: #e8e6e1; --quiet: #a3a9b6;
	--line: #333943; --good: #6fcf9b; --bad: #ff8a80; --accent: #7cc0ea; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 68rem; background: var(--page); color: var(--ink);
	font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.brand { margin: 0; color: var(--accent); font-weight: 600; }
h1 { margin: 0; text-wrap: balance; font-size: clamp(1.6rem, 4vw, 2.3rem); line-height: 1.2; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.2rem; }
p { max-width: 42rem; }
.verdict { margin: .6rem 0 1.4rem; font-weight: 600; }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 700; }
.facts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0; }
.facts div { padding: .5rem .9rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
dt { color: var(--quiet); font-size: .8rem; }
dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.strip { display: flex; gap: 2px; height: 2rem; overflow: hidden; border-radius: .4rem; }
.strip span { min-width: 3px; flex-basis: 0; }
.tone0 { background: #e0764f; } .tone1 { background: #2f7fb3; } .tone2 { background: #d9a93b; } .tone3 { background: #3a9a86; }
.scale { display: flex; justify-content: space-between; max-width: none; margin: .25rem 0 0; color: var(--quiet);
	font-size: .85rem; font-variant-numeric: tabular-nums; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: 1rem; margin: 0; padding: 0;
	list-style: none; }
figure { height: 100%; margin: 0; overflow: hidden; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
figure a { display: block; }
img { display: block; width: 100%; aspect-ratio: 3 / 2; object-fit: contain; background: var(--line); }
figcaption { display: grid; padding: .6rem .8rem .7rem; overflow-wrap: anywhere; }
figcaption b { display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; -webkit-line-clamp: 2; }
figcaption span { color: var(--quiet); font-size: .85rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
a:focus-visible, .scroll:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
figure a:focus-visible { outline-offset: -3px; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); font-size: .92rem; }
caption { padding-bottom: .6rem; color: var(--quiet); text-align: left; }
th, td { padding: .45rem .8rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
thead th { color: var(--quiet); font-size: .82rem; }
tbody th { max-width: 20rem; white-space: normal; overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .88em; }
`;
