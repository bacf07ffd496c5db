import { rootCaller } from "#api/caller.ts";
import { systemClock } from "#clock.ts";
import { regionalRecords } from "#services/ec2/regional-records.ts";
import { encryptionPlan, openDataKey, type Encryption } from "#services/ec2/volume/encryption.ts";
import { Accounts } from "#services/iam/accounts.ts";
import { kmsContexts } from "#services/kms/context.ts";
import { KmsRecords } from "#services/kms/records.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { readSealingKey } from "#setup/sealing-key.ts";
import { startFeed } from "#store/feed.ts";
import type { Store } from "#store/store.ts";
import { Refusal } from "./command.ts";

/**
 * What the new snapshot of this id is encrypted with, and what opens it, when the region's account has said so of all (EnableEbsEncryptionByDefault).
 * Throws `Refusal` when the key cannot be used.
 */
export async function encryptedByDefault(
  id: string,
  store: Store,
  dataDir: string,
): Promise<{ readonly encryption: Encryption; readonly secret: string } | undefined> {
  const { accountId, region } = requireSettings(dataDir);
  const scope = { accountId, region };
  const ending = new AbortController();
  try {
    const feed = await startFeed(store, ending.signal);
    const now = () => systemClock.now();
    const keys = { records: new KmsRecords(feed), sealingKey: readSealingKey(dataDir), now };
    const kms = kmsContexts({ ...keys, accounts: new Accounts(feed, accountId) });
    const plan = encryptionPlan({
      ...scope,
      records: regionalRecords(feed).in(scope),
      now,
      kms: kms(region, rootCaller(accountId, "")),
    });
    const { encryption, failed } = plan.of(id, {});
    if (failed !== undefined) throw new Refusal(`the account encrypts all that is new: ${failed}`, 1);
    if (!encryption) return undefined;
    // AWS's own key is made when it is first used.
    const { revision } = await store.commit(plan.parts().transaction);
    await feed.reached(revision);
    return { encryption, secret: openDataKey(keys)(encryption.dataKey) };
  } finally {
    ending.abort();
  }
}
