/** The first ```ts block of a README, and what the ```text block right after it says that it prints, if there is one. */
export function firstSnippet(readme: string): { readonly code: string; readonly output: string | undefined } {
	const found = /^```ts\n(.*?\n)```\n(?:\s*```text\n(.*?\n)```)?/ms.exec(readme);
	if (found === null) throw new Error("README.md has no ts block");
	return { code: found[1] ?? "", output: found[2] };
}
