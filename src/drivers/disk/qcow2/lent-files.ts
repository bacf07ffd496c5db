import { chown, stat } from "node:fs/promises";
import { unless } from "./qcow2-layout.ts";

/** Files of root's that belong to `uid` for as long as anybody needs it, who may be several at once. */
export class LentFiles {
  readonly uid: number;
  readonly #borrowers = new Map<string, number>();
  /** One after the other: who borrows must not be overtaken by who gives back. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(uid: number) {
    this.uid = uid;
  }

  /** A file that everyone may read stays as it is. */
  async during<Result>(files: readonly string[], use: () => Promise<Result>): Promise<Result> {
    const taken: string[] = [];
    try {
      for (const file of files) {
        if (((await stat(file)).mode & 0o004) !== 0) continue;
        taken.push(file);
        this.#borrowers.set(file, (this.#borrowers.get(file) ?? 0) + 1);
        // Also when it is lent: since then another file may have come to the name.
        await this.#give(file, this.uid);
      }
      return await use();
    } finally {
      for (const file of taken) await this.#giveBack(file);
    }
  }

  async #giveBack(file: string): Promise<void> {
    const left = (this.#borrowers.get(file) ?? 1) - 1;
    if (left > 0) {
      this.#borrowers.set(file, left);
      return;
    }
    this.#borrowers.delete(file);
    await this.#give(file, 0).catch(unless("ENOENT"));
  }

  #give(file: string, owner: number): Promise<void> {
    const given = this.#changing.then(() => chown(file, owner, owner));
    this.#changing = given.catch(() => {});
    return given;
  }
}
