import { appendFileSync, existsSync, renameSync, statSync, chmodSync } from "node:fs";

interface Bounds {
  readonly maxBytes?: number;
  /** Files in all. */
  readonly kept?: number;
}

/** Appends lines, each with the time. Writes at once: what a dying program said last is what matters. */
export const logFile = (
  file: string,
  { now = () => new Date(), ...bounds }: Bounds & { now?: () => Date } = {},
) => {
  const append = boundedFile(file, bounds);
  return (line: string): void => append(`${now().toISOString()} ${line}\n`);
};

/**
 * Appends text as it is. When the file is full it becomes `FILE.1`, that one `FILE.2`, and so on; `kept` files stay in all, each
 * of at most `maxBytes` or one text.
 */
export const boundedFile = (file: string, { maxBytes = 10 * 1024 * 1024, kept = 3 }: Bounds = {}) => {
  let size = existsSync(file) ? statSync(file).size : 0;
  return (text: string): void => {
    if (size > 0 && size + Buffer.byteLength(text) > maxBytes) {
      rotate(file, kept);
      size = 0;
    }
    appendFileSync(file, text, { mode: 0o640 });
    if (size === 0) chmodSync(file, 0o640);
    size += Buffer.byteLength(text);
  };
};

const rotate = (file: string, kept: number): void => {
  for (let age = kept - 1; age >= 1; age--) {
    const younger = age === 1 ? file : `${file}.${age - 1}`;
    if (existsSync(younger)) renameSync(younger, `${file}.${age}`);
  }
};
