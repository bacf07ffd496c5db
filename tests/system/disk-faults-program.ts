import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { openQemuMachines } from "#drivers/machine/qemu/qemu-machines.ts";
import { acknowledged, diskIds, recording, specOn, type FaultsScene } from "./disk-faults.ts";

/**
 * `node disk-faults-program.ts SCENE MADE`: as croft-host does, runs the machine that keeps records, makes snapshots of its two
 * disks, removes those of before, merges layers and tells the machine, until it is killed. Says which snapshots it made, and how many
 * records the guest had printed before; `MADE` are those of before.
 */
const { machines, disks: directory, uid } = JSON.parse(process.argv[2] ?? "") as FaultsScene;
const made = new Set(JSON.parse(process.argv[3] ?? "") as string[]);
const disks = await openQcow2Disks(directory, { uid });
const driver = await openQemuMachines({ ...machines, warn: () => {} });

const nameOf = (snapshot: string) => snapshot.slice(0, -2);
const placed = () => Promise.all(diskIds.map(async (id) => ({ id, ...(await disks.locate(id)) })));
const make = async (name: string, least: number) => {
  for (const [n, id] of diskIds.entries()) await disks.snapshot(`${name}-${"ab"[n]}`, id);
  await driver.layerDisks(recording, await placed());
  made.add(name);
  process.stdout.write(`${name} ${least}\n`);
};

// What an earlier one was killed over; before the machine starts, which would write one disk before the other is snapshot.
for (const name of new Set((await disks.snapshots()).map(nameOf))) if (!made.has(name)) await make(name, 0);
await driver.ensure(specOn(await placed()));
for (let n = 0; ; n++) {
  await make(`${Date.now()}n${n}`, acknowledged(await driver.console(recording)));
  const names = [...new Set((await disks.snapshots()).map(nameOf))].toSorted();
  // Every third is kept for longer.
  for (const [index, name] of names.slice(0, -3).entries())
    if (index % 3 !== 0 || index < names.length - 12)
      for (const one of "ab") await disks.removeSnapshot(`${name}-${one}`);
  while (await disks.merge(new Set())) await driver.rebaseDisks(recording, await placed());
}
