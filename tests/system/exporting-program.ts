import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { openDiskExports } from "#images/disk-exports.ts";

/** `node exporting-program.ts DISKS UID OPTIONS ID WANTED`: says what the export does, whenever that is something else, until it is over. */
const [disksDir = "", uid = "", options = "", id = "", wanted = ""] = process.argv.slice(2);
const disks = await openQcow2Disks(disksDir, { uid: Number(uid) });
const exports = openDiskExports({
  ...JSON.parse(options),
  uid: Number(uid),
  lend: (disk, use) =>
    "snapshotId" in disk ? disks.lendSnapshot(disk.snapshotId, use) : disks.lendImage(disk.cacheEntry, use),
  log: (line) => process.stderr.write(`${line}\n`),
});
for (let said = ""; ;) {
  const now = await exports.look(id, JSON.parse(wanted));
  const what = now.state === "running" ? now.what : now.state;
  if (what !== said) process.stdout.write(`${what}\n`);
  said = what;
  if (now.state !== "running") break;
  await new Promise((resolve) => setTimeout(resolve, 5));
}
