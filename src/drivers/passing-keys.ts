import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeyRefused, type OpenKey } from "./open-key.ts";

/** Keys that pass with what they encrypt: each of one disk, made for it, on no disk themselves, and gone for good when it is forgotten. */
export interface PassingKeys {
  /** As drivers know it; its secret is made when there is none. */
  key(diskId: string): string;
  has(diskId: string): boolean;
  forget(diskId: string): void;
  /** Opens these, and by `others` all others. */
  openBeside(others: OpenKey): OpenKey;
}

/**
 * Secrets in files of `directory`, which root alone may read: of the memory's file system, so that they outlive the programs, but not the
 * host's boot.
 */
export function passingKeys(directory: string): PassingKeys {
  const file = (diskId: string): string => {
    if (!/^[\w-]+$/.test(diskId)) throw new Error(`not a disk's id: ${diskId}`);
    return join(directory, diskId);
  };
  const has = (diskId: string): boolean => existsSync(file(diskId));
  return {
    key(diskId) {
      if (!has(diskId)) {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        chmodSync(directory, 0o700);
        // Whole or not there: half a secret would be another.
        writeFileSync(`${file(diskId)}.new`, randomBytes(64).toString("hex"), { mode: 0o600 });
        renameSync(`${file(diskId)}.new`, file(diskId));
      }
      return `${PASSING}${diskId}`;
    },
    has,
    forget: (diskId) => rmSync(file(diskId), { force: true }),
    openBeside: (others) => (key) => {
      if (!key.startsWith(PASSING)) return others(key);
      const diskId = key.slice(PASSING.length);
      if (!has(diskId)) throw new KeyRefused(`the key of ${diskId} is gone`);
      return readFileSync(file(diskId), "utf8");
    },
  };
}

/** Every other key begins with the name of a region. */
export const PASSING = "passing:";
