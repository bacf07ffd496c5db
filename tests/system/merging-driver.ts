import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";

/** `node merging-driver.ts DIRECTORY UID MS`: merges what there is to merge, and is killed after so long, wherever it is then. */
const [directory = "", uid = "", ms = ""] = process.argv.slice(2);
const disks = await openQcow2Disks(directory, { uid: Number(uid) });
setTimeout(() => process.kill(process.pid, "SIGKILL"), Number(ms)).unref();
while (await disks.merge(new Set()));
process.stdout.write("merged");
