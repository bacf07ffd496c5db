import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Replaces this process: the command gets the terminal, the signals and the exit code. Returns never. */
export const become = (file: string, args: readonly string[], environment = process.env): never => {
  if (!process.execve) throw new Error("this Node cannot replace its process");
  return process.execve(file, [file, ...args], environment);
};

/** Where `command` is on the PATH. */
export const findCommand = (command: string, path = process.env["PATH"] ?? ""): string | undefined =>
  path
    .split(delimiter)
    .filter((dir) => dir !== "")
    .map((dir) => join(dir, command))
    .find(executable);

const executable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};
