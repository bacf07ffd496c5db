export const jsonOption = { json: { type: "boolean" } } as const;
export const jsonUsage = "  --json             the answer as one JSON object, for scripts";

/** Always one object, so that more can be said in it later; docs/operating.md states the rule. */
export const printJson = (answer: object): void => {
  process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
};

/** The id of what was made or removed. */
export const printId = (json: boolean | undefined, id: string): void => {
  if (json) printJson({ id });
  else process.stdout.write(`${id}\n`);
};
