import { appendFileSync, chmodSync, existsSync, renameSync, statSync, truncateSync } from "node:fs";
import { say } from "../terminal.ts";

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
  let lost = 0;
  return (line: string): void => {
    const gap = lost > 0 ? `${now().toISOString()} ${lost} lines before this were lost\n` : "";
    if (append(`${gap}${now().toISOString()} ${line}\n`)) lost = 0;
    else lost += 1;
  };
};

/**
 * Appends text as it is. When the file is full it becomes `FILE.1`, that one `FILE.2`, and so on; `kept` files stay in all, each
 * of at most `maxBytes` or one text. False, and nothing written, when the disk takes nothing: the region goes on, and the operator is
 * told once.
 */
export const boundedFile = (file: string, { maxBytes = 10 * 1024 * 1024, kept = 3 }: Bounds = {}) => {
  let size = existsSync(file) ? statSync(file).size : 0;
  let trouble = "";
  return (text: string): boolean => {
    try {
      if (size > 0 && size + Buffer.byteLength(text) > maxBytes) {
        rotate(file, kept);
        size = 0;
      }
      appendFileSync(file, text, { mode: 0o640 });
      if (size === 0) chmodSync(file, 0o640);
      size += Buffer.byteLength(text);
      trouble = "";
      return true;
    } catch (error) {
      cutTo(file, size);
      const said = `${file} cannot be written: ${String(error)}`;
      if (said !== trouble) say(said);
      trouble = said;
      return false;
    }
  };
};

/** The part of a text that a full disk took would run into the next. */
const cutTo = (file: string, size: number): void => {
  try {
    truncateSync(file, size);
  } catch {
    // Its first text made no file.
  }
};

const rotate = (file: string, kept: number): void => {
  for (let age = kept - 1; age >= 1; age--) {
    const younger = age === 1 ? file : `${file}.${age - 1}`;
    if (existsSync(younger)) renameSync(younger, `${file}.${age}`);
  }
};
