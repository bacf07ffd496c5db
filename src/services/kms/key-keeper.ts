import { ExpectationFailed, type Store, type Transaction } from "#store/store.ts";
import { newMaterial } from "./key-material.ts";
import { isGone, refusesUse } from "./key.ts";
import type { KeyRecord, KmsRecords } from "./records.ts";
import { nextRotation } from "./rotation-operations.ts";

export interface KeyKeeperOptions {
  readonly store: Pick<Store, "commit">;
  readonly records: KmsRecords;
  readonly sealingKey: Buffer;
  readonly now: () => Date;
  /** Resolves once what was committed at the revision can be read. */
  readonly reached: (revision: number) => Promise<void>;
}

/** Removes the keys whose time has come, and rotates those whose rotation is due. Whoever changes a key meanwhile was first. */
export async function keepKeys(options: KeyKeeperOptions): Promise<void> {
  for (const { id, accountId, region } of options.records.everyKey()) {
    for (;;) {
      const key = options.records.get("kms-key", { accountId, region }, id);
      const step = key && stepFor(key, options);
      if (!step) break;
      try {
        await options.reached((await options.store.commit(step)).revision);
      } catch (error) {
        if (!(error instanceof ExpectationFailed)) throw error;
        await options.reached(error.revision);
      }
    }
  }
}

/** The next thing to do for a key; undefined: nothing. What stands for a key or grants it goes before it does. */
function stepFor(key: KeyRecord, { records, sealingKey, now }: KeyKeeperOptions): Transaction | undefined {
  const at = now();
  const { expect, put } = records.rewriteKey(key);
  if (isGone(key, at)) {
    const beside = [
      ...records.aliasesOf(key).map(({ name }) => records.at("kms-alias", key, name)),
      ...records.grantsOf(key).map((it) => records.at("kms-grant", key, `${key.id}/${it.id}`)),
    ];
    const own = records.at("kms-key", key, key.id);
    return { expect, delete: beside.length > 0 ? beside.slice(0, mostAtOnce) : [own] };
  }
  if (!key.rotation || Date.parse(key.rotation.nextAt) > at.getTime() || refusesUse(key)) return undefined;
  const { periodInDays } = key.rotation;
  const rotated: KeyRecord = {
    ...key,
    rotation: { periodInDays, nextAt: nextRotation(at, periodInDays) },
    materials: [...key.materials, newMaterial(key, { sealingKey, at, rotated: "AUTOMATIC" })],
  };
  return { expect, put: put.map((it) => ({ ...it, value: rotated })) };
}

/** A transaction holds a hundred changes. */
const mostAtOnce = 90;
