import {
  appendFileSync,
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  openSync,
  renameSync,
} from "node:fs";
import { say } from "../terminal.ts";
import { plainText } from "../plain-text.ts";

interface Bounds {
  readonly maxBytes?: number;
  /** Files in all. */
  readonly kept?: number;
}

/** Appends lines, each with the time, fit for a terminal. Writes at once: what a dying program said last is what matters. */
export const logFile = (
  file: string,
  { now = () => new Date(), ...bounds }: Bounds & { now?: () => Date } = {},
) => {
  const append = boundedFile(file, bounds);
  let lost = 0;
  return (line: string): void => {
    const gap = lost > 0 ? `${now().toISOString()} ${lost} lines before this were lost\n` : "";
    if (append(`${gap}${now().toISOString()} ${plainText(line)}\n`)) lost = 0;
    else lost += 1;
  };
};

/**
 * Appends text as it is. When the file is full it becomes `FILE.1`, that one `FILE.2`, and so on; `kept` files stay in all, each
 * of at most `maxBytes` or one text. False, and nothing written, when the disk takes nothing: the region goes on, and the operator is
 * told once.
 */
export const boundedFile = (file: string, { maxBytes = 10 * 1024 * 1024, kept = 3 }: Bounds = {}) => {
  let opened: number | undefined;
  let trouble = "";
  return (text: string): boolean => {
    try {
      let { fd, size } = current();
      if (size > 0 && size + Buffer.byteLength(text) > maxBytes) {
        close();
        rotate(file, kept);
        ({ fd, size } = current());
      }
      appendWhole(fd, text, size);
      trouble = "";
      return true;
    } catch (error) {
      close();
      const said = `${file} cannot be written: ${String(error)}`;
      if (said !== trouble) say(said);
      trouble = said;
      return false;
    }
  };

  /** Opened once, and again when someone has removed it. */
  function current(): { fd: number; size: number } {
    opened ??= openSync(file, "a", 0o640);
    const { nlink, size } = fstatSync(opened);
    if (nlink === 0) {
      close();
      return current();
    }
    if (size === 0) fchmodSync(opened, 0o640);
    return { fd: opened, size };
  }

  function close(): void {
    if (opened !== undefined) closeSync(opened);
    opened = undefined;
  }
};

/** The part of a text that a full disk took would run into the next. `size`: the file's before. */
const appendWhole = (fd: number, text: string, size: number): void => {
  try {
    appendFileSync(fd, text);
  } catch (error) {
    if (fstatSync(fd).isFile()) ftruncateSync(fd, size);
    throw error;
  }
};

const rotate = (file: string, kept: number): void => {
  for (let age = kept - 1; age >= 1; age--) {
    const younger = age === 1 ? file : `${file}.${age - 1}`;
    if (existsSync(younger)) renameSync(younger, `${file}.${age}`);
  }
};
