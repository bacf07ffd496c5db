import { chmod, link, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { systemClock } from "#clock.ts";
import { hostNames, layout } from "#config.ts";
import { copyDisk } from "#drivers/disk/qcow2/copy-disk.ts";
import { locateSnapshot } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { unlessMerged } from "#drivers/disk/qcow2/unless-merged.ts";
import { KeyRefused } from "#drivers/open-key.ts";
import { isThere, snapshotState, type SnapshotRecord } from "#services/ec2/snapshot/snapshot.ts";
import { openDataKey } from "#services/ec2/volume/encryption.ts";
import { KmsRecords } from "#services/kms/records.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { readSealingKey } from "#setup/sealing-key.ts";
import { startFeed } from "#store/feed.ts";
import { connectStore } from "#store/socket/connect-store.ts";
import { Refusal, readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { oneOf } from "./import-disk.ts";
import { jsonOption, jsonUsage, printJson } from "./json.ts";
import { requireRunning } from "./running-region.ts";

const options = {
  ...dataDirOption,
  ...jsonOption,
  format: { type: "string", default: "qcow2" },
  decrypt: { type: "boolean", default: false },
} as const;

export const command: Command = {
  usage: `snapshot export [options] SNAPSHOT FILE

Writes what a snapshot holds into a new file that needs no other, for its owner's eyes only. Any account's and region's; it is to be
complete, and the region running. While it is written it takes the room of a copy of its layers beside it.

  --format FORMAT    qcow2, raw (qcow2)
  --decrypt          of an encrypted one too: whoever has the file can read what was encrypted
${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const [id, file, ...more] = positionals;
    if (id === undefined || file === undefined || more.length > 0)
      throw new Refusal("which snapshot, and where to? croft snapshot export SNAPSHOT FILE");
    const format = oneOf("--format", ["qcow2", "raw"] as const, values.format) ?? "qcow2";
    const dataDir = readDataDir(values["data-dir"]);
    if (requireSettings(dataDir).machines === "fake")
      throw new Refusal("a snapshot of fake machines holds nothing");
    requireRoot("to read what only root may");
    requireRunning(dataDir);
    const secret = await secretOfComplete(id, dataDir, values.decrypt);

    const target = resolve(file);
    const unfinished = `${target}.${id}`;
    try {
      await copySnapshot(id, unfinished, format, secret, dataDir);
      await chmod(unfinished, 0o600);
      // Fails when there is a file by now.
      await link(unfinished, target);
    } catch (error) {
      throw error instanceof Error && "code" in error && error.code === "EEXIST"
        ? new Refusal(`${target} is there already`, 1)
        : error;
    } finally {
      await rm(unfinished, { force: true });
    }
    if (values.json) printJson({ file: target });
    else process.stdout.write(`${target}\n`);
    return 0;
  },
};

/** Of an encrypted one; undefined: it is open. Throws `Refusal` when it cannot be exported so. */
const secretOfComplete = async (
  id: string,
  dataDir: string,
  decrypt: boolean,
): Promise<string | undefined> => {
  const store = connectStore(layout(dataDir).storeSocket);
  const ending = new AbortController();
  try {
    const feed = await startFeed(store, ending.signal);
    const found = feed
      .list<SnapshotRecord>("snapshot/")
      .map(({ value }) => value)
      .find((it) => it.id === id && isThere(it));
    if (!found) throw new Refusal(`there is no snapshot ${id}`, 1);
    if (snapshotState(found) !== "completed") throw new Refusal(`${id} is ${snapshotState(found)}`, 1);
    if (!found.encryption) return undefined;
    if (!decrypt)
      throw new Refusal(
        `${id} is encrypted: with --decrypt what it holds is written for whoever has the file to read`,
        1,
      );
    const sealingKey = readSealingKey(dataDir);
    return openDataKey({ records: new KmsRecords(feed), sealingKey, now: () => systemClock.now() })(
      found.encryption.dataKey,
    );
  } catch (error) {
    throw error instanceof KeyRefused
      ? new Refusal(`${id} is encrypted, and its key cannot be used: ${error.message}`, 1)
      : error;
  } finally {
    ending.abort();
    await store.close();
  }
};

const copySnapshot = async (
  id: string,
  to: string,
  format: "qcow2" | "raw",
  secret: string | undefined,
  dataDir: string,
): Promise<void> =>
  unlessMerged(async () => {
    await rm(to, { force: true });
    const place = await locateSnapshot(layout(dataDir).disksDir, id);
    await copyDisk(place, to, hostNames(dataDir).uids.image, format, secret);
  });
