import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Jail } from "./jail.ts";

/**
 * Secrets in files of the memory's file system that `uid` alone may read, until this is disposed of: they are in no argument, in no log,
 * and on no disk. `shows` puts them into a jail under the names that are asked for.
 */
export function secretFiles(
  secrets: readonly { readonly secret: string; readonly inside: string }[],
  uid: number,
): Disposable & { readonly shows: Jail["shows"] } {
  if (secrets.length === 0) return { shows: [], [Symbol.dispose]() {} };
  using stack = new DisposableStack();
  const directory = stack.use(memoryDirectory());
  const shows = secrets.map(({ secret, inside }, n) => {
    const outside = join(directory.path, String(n));
    writeFileSync(outside, secret, { mode: 0o600 });
    chownSync(outside, uid, uid);
    return { outside, inside };
  });
  const made = stack.move();
  return { shows, [Symbol.dispose]: () => made.dispose() };
}

/** A directory there that only root may read, until it is disposed of. */
export function memoryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(MEMORY, `croft-key-${process.pid}-`));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Removes what programs that were killed left there. */
export function forgetSecretFiles(): void {
  for (const name of readdirSync(MEMORY)) {
    const [, pid] = /^croft-key-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      rmSync(join(MEMORY, name), { recursive: true, force: true });
  }
}

const MEMORY = "/dev/shm";
