import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import koffi from "koffi";

/** A lock on `file`, which then holds this process's pid. The kernel lets go of it when the process ends, however it ends. */
export const takeLock = (file: string): Disposable | { readonly heldBy: string } => {
  const fd = openSync(file, "a+", 0o644);
  if (flock(fd, exclusive | withoutWaiting) === -1) {
    closeSync(fd);
    return { heldBy: readFileSync(file, "utf8").trim() };
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return { [Symbol.dispose]: () => closeSync(fd) };
};

const flock: (fd: number, operation: number) => number = koffi
  .load("libc.so.6")
  .func("int flock(int fd, int operation)");
const [exclusive, withoutWaiting] = [2, 4];
