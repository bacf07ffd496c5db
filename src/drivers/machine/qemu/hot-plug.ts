import { closeSync } from "node:fs";
import { openTap } from "#drivers/linux/taps.ts";
import type { MachinePort } from "../machine-driver.ts";
import { QmpError, type Qmp } from "./qmp.ts";

/** How network interfaces come to a running QEMU and go from it. Commands follow QEMU 7.2's QMP reference. */

/** Into the first free root port. One that its guest has still not let go of is refused. */
export async function plugPort(qmp: Qmp, port: MachinePort): Promise<void> {
  const devices = await devicesOf(qmp);
  if (devices.includes(port.id)) {
    if (await isWired(qmp, port.id)) return;
    await askBack(qmp, port.id);
    throw new Error(`the guest has not let go of ${port.id} yet`);
  }
  const [slot] = await freeSlots(qmp, devices);
  await cut(qmp, port.id); // left by whoever was ended before its device came
  const fd = openTap(port.namespace, port.device);
  try {
    await qmp.execute("getfd", { fdname: port.id }, { fds: [fd] });
  } finally {
    closeSync(fd);
  }
  await qmp.execute("netdev_add", { type: "tap", id: netdev(port.id), fd: port.id });
  await qmp.execute("device_add", { ...virtioNet(port), bus: slot });
}

/** Asks the guest for the interface, which takes it some time; or cuts it off. Whether nothing goes through it any more. */
export async function unplugPort(qmp: Qmp, id: string, force: boolean): Promise<boolean> {
  const isThere = (await devicesOf(qmp)).includes(id);
  if (isThere) await askBack(qmp, id);
  if (isThere && !force) return false;
  await cut(qmp, id);
  return true;
}

/** What stands behind the interface `id`: its tap. */
export const netdev = (id: string): string => `${id}-tap`;

export const virtioNet = (port: MachinePort) => ({
  driver: "virtio-net-pci",
  id: port.id,
  netdev: netdev(port.id),
  mac: port.mac,
  host_mtu: port.mtu,
  romfile: "",
});

export async function askBack(qmp: Qmp, id: string): Promise<void> {
  // Refused while the guest still thinks about it.
  await qmp.execute("device_del", { id }).catch(unlessRefused);
}

async function cut(qmp: Qmp, id: string): Promise<void> {
  await qmp.execute("netdev_del", { id: netdev(id) }).catch(unlessRefused);
}

/** A device outlives its tap that was cut off. */
async function isWired(qmp: Qmp, id: string): Promise<boolean> {
  try {
    await qmp.execute("set_link", { name: netdev(id), up: true });
    return true;
  } catch (error) {
    unlessRefused(error);
    return false;
  }
}

/**
 * At least one, by their names as buses, in order: interfaces come from the first on, since a guest may name them by their slots, and
 * disks from the last. Those on the root bus have none of their own, so they are not among the taken.
 */
export async function freeSlots(qmp: Qmp, devices: readonly string[]): Promise<string[]> {
  const taken = await Promise.all(
    devices.map((id) => qmp.execute("qom-get", { path: `${PERIPHERAL}/${id}`, property: "parent_bus" })),
  );
  const free = devices
    .filter((id) => ROOT_PORT.test(id) && !taken.includes(`${PERIPHERAL}/${id}/${id}`))
    .toSorted((a, b) => Number(a.slice(4)) - Number(b.slice(4)));
  if (free.length === 0)
    throw new Error("the machine has no free slot: it has more after it was stopped and started");
  return free;
}

/** The ids of the devices that have one. */
export async function devicesOf(qmp: Qmp): Promise<string[]> {
  const children = await qmp.execute("qom-list", { path: PERIPHERAL });
  return (children as readonly { readonly name: string; readonly type: string }[])
    .filter(({ type }) => type.startsWith("child<"))
    .map(({ name }) => name);
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof QmpError)) throw error;
}

const PERIPHERAL = "/machine/peripheral";
const ROOT_PORT = /^slot\d+$/;
