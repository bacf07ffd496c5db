import { createInterface } from "node:readline/promises";
import { plainText } from "./plain-text.ts";

/** Everything said to the operator goes to stderr: stdout belongs to what was asked for. */
export const say = (text: string): void => {
  process.stderr.write(`croft: ${plainText(text)}\n`);
};

/** Whether someone is there to ask. */
export const attended = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

/** Enter means yes. */
export const confirm = async (question: string): Promise<boolean> => {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^(y|yes)?$/i.test((await lines.question(`croft: ${question} [Y/n] `)).trim());
  } finally {
    lines.close();
  }
};

export interface Progress {
  /** `fraction` from 0 to 1; `what` is being done now. */
  readonly show: (fraction: number, what: string) => void;
  /** Leaves the last state standing. */
  readonly end: () => void;
}

/** A bar that is redrawn on a terminal; elsewhere a line for each tenth and for each new step. */
export const progress = (title: string, output: Output = process.stderr): Progress =>
  output.isTTY ? bar(title, output) : lines(title, output);

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const bar = (title: string, output: Output): Progress => {
  const draw = (fraction: number, what: string) => {
    const filled = Math.round(fraction * 30);
    const text = `${title} [${"#".repeat(filled)}${"-".repeat(30 - filled)}] ${percent(fraction)} ${plainText(what)}`;
    output.write(`\r\x1b[K${text.slice(0, (output.columns ?? 80) - 1)}`);
  };
  return { show: draw, end: () => void output.write("\n") };
};

const lines = (title: string, output: Output): Progress => {
  let last = { tenth: -1, what: "" };
  return {
    show(fraction, what) {
      const now = { tenth: Math.floor(fraction * 10), what };
      if (now.tenth === last.tenth && now.what === last.what) return;
      last = now;
      output.write(`croft: ${title}: ${percent(fraction)} ${plainText(what)}\n`);
    },
    end() {},
  };
};

const percent = (fraction: number) => `${String(Math.floor(fraction * 100)).padStart(3)} %`;
