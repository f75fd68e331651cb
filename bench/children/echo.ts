/** Answers each line with itself. */
for await (const chunk of process.stdin) process.stdout.write(chunk);
