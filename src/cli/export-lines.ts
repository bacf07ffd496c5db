/** For any POSIX shell. */
export const exportLines = (variables: Readonly<Record<string, string>>): string =>
  Object.entries(variables)
    .map(([name, value]) => `export ${name}=${quoted(value)}\n`)
    .join("");

const quoted = (value: string) => (/^[\w.:/-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`);
