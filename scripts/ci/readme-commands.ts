/** The commands that README.md tells a newcomer to run: the `sh` blocks below its heading "Start here". */
export function readmeCommands(readme: string): readonly string[] {
	const section = /^## Start here\n(.*?)(?=^## |(?![\s\S]))/ms.exec(readme)?.[1];
	if (section === undefined) throw new Error('README.md has no heading "## Start here"');
	const scripts = [...section.matchAll(/^```sh\n(.*?)\n```$/gms)].map((match) => match[1] ?? "");
	if (scripts.length === 0) throw new Error('README.md has no sh block below "## Start here"');
	return scripts;
}
