/** Takes a stream's chunks and hands on each line without its end. Throws on a line longer than `mostBytes`. */
export const readLines = (
  onLine: (line: string) => void,
  mostBytes = Infinity,
): ((chunk: Buffer) => void) => {
  let pieces: Buffer[] = [];
  let held = 0;
  return (chunk) => {
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      const line = Buffer.concat([...pieces, rest.subarray(0, end)]).toString();
      rest = rest.subarray(end + 1);
      pieces = [];
      held = 0;
      onLine(line);
    }
    held += rest.length;
    if (held > mostBytes) throw new Error(`a line longer than ${mostBytes} bytes`);
    if (rest.length > 0) pieces.push(rest);
  };
};

export const jsonLine = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);

const NEWLINE = 10;
