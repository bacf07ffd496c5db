import { closeSync, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isAlive } from "../../linux/host-process.ts";
import type { MachineDisk } from "../machine-driver.ts";
import { secret } from "./disk-nodes.ts";
import { readRecord } from "./machine-record.ts";
import { nodesOfDisks } from "./hot-plug-disk.ts";
import { socketPath } from "./qemu-process.ts";
import { Qmp, QmpError } from "./qmp.ts";

/** Ids of the disks that the machine in `directory` has open; none while it has no process. */
export const disksInUse = (directory: string): readonly string[] => openDisks(directory).map(({ id }) => id);

const openDisks = (directory: string): readonly MachineDisk[] => {
  const life = readRecord(directory)?.life;
  if (life?.state !== "running" || !isAlive(life.process)) return [];
  return life.spec?.disks ?? [];
};

/**
 * Has the QEMU of the machine in `directory` copy its disks, all as they are at one moment, while the guest runs on: each to the
 * qcow2 file of its size that `targets` names, which then needs no other file, and is to open with the disk's own secret if that is encrypted.
 * It is asked beside the driver, by a monitor of its own; who copies at the same time waits.
 */
export const copyDisksInUse = async (
  directory: string,
  targets: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<void> => {
  const qmp = await Qmp.connect(socketPath(directory, "qmp-backup"), AbortSignal.timeout(CONNECT_MS));
  const copies: Copy[] = [];
  try {
    const nodes = await nodesOfDisks(qmp);
    for (const [index, { id, encrypted }] of openDisks(directory).entries()) {
      const [path, device] = [targets.get(id), nodes.get(id)];
      if (path === undefined || device === undefined) continue;
      const copy = { device, job: `backup${index}`, set: FIRST_SET + index, path };
      copies.push({ ...copy, ...(encrypted && { secret: secret(id) }) });
    }
    // A backup that was killed left its jobs.
    for (const copy of copies) await forget(qmp, copy);
    for (const copy of copies) await openTarget(qmp, copy);
    await qmp.execute("transaction", {
      actions: copies.map(({ device, job }) => ({
        type: "blockdev-backup",
        data: { "job-id": job, device, target: job, sync: "full", "auto-dismiss": false },
      })),
    });
    for (const { job } of copies) await concluded(qmp, job, signal);
  } finally {
    // Unless it has ended, and all of this with it.
    for (const copy of copies) await forget(qmp, copy).catch(() => {});
    qmp.close();
  }
};

interface Copy {
  readonly device: string;
  /** Also what its target is called. */
  readonly job: string;
  readonly set: number;
  readonly path: string;
  /** QEMU's name of it; absent: open. */
  readonly secret?: string;
}

const openTarget = async (qmp: Qmp, { job, set, path, secret: by }: Copy): Promise<void> => {
  const fd = openSync(path, "r+");
  try {
    await qmp.execute("add-fd", { "fdset-id": set }, { fds: [fd] });
  } finally {
    closeSync(fd);
  }
  const file = { driver: "file", filename: `/dev/fdset/${set}`, locking: "off" };
  const encrypt = by !== undefined && { encrypt: { format: "luks", "key-secret": by } };
  await qmp.execute("blockdev-add", { driver: "qcow2", "node-name": job, file, ...encrypt });
};

/** Throws what QEMU could not read or write. */
const concluded = async (qmp: Qmp, job: string, signal: AbortSignal): Promise<void> => {
  for (;;) {
    signal.throwIfAborted();
    const { status, error } = await jobNamed(qmp, job);
    if (error !== undefined) throw new Error(`QEMU cannot copy the disk: ${error}`);
    if (status === "concluded") return;
    await delay(LOOK_MS);
  }
};

const forget = async (qmp: Qmp, { job, set }: Copy): Promise<void> => {
  while ((await jobNamed(qmp, job)).status !== undefined) {
    await unlessRefused(qmp.execute("job-cancel", { id: job }));
    await unlessRefused(qmp.execute("job-dismiss", { id: job }));
    await delay(LOOK_MS);
  }
  await unlessRefused(qmp.execute("blockdev-del", { "node-name": job }));
  await unlessRefused(qmp.execute("remove-fd", { "fdset-id": set }));
};

/** Nothing when there is no such job. */
const jobNamed = async (qmp: Qmp, job: string): Promise<{ status?: string; error?: string }> => {
  // by QEMU's "QMP Reference", and only compared
  const jobs = (await qmp.execute("query-jobs")) as { id: string; status: string; error?: string }[];
  return jobs.find(({ id }) => id === job) ?? {};
};

/** There is nothing to forget, or not yet. */
const unlessRefused = async (answer: Promise<unknown>): Promise<void> => {
  await answer.catch((error: unknown) => {
    if (!(error instanceof QmpError)) throw error;
  });
};

/** Above those of the machine's own disks and of its firmware's variables. */
const FIRST_SET = 2000;
const CONNECT_MS = 10_000;
const LOOK_MS = 100;
