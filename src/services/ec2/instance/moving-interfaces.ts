import { moved, wait, type Outcome } from "#reconcile/outcome.ts";
import type { InterfaceAttachment, NetworkInterfaceRecord } from "../network-interface/network-interface.ts";
import type { Ec2Records } from "../records.ts";
import type { InstanceHost } from "./instance-reconciler.ts";
import type { InstanceRecord } from "./instance.ts";

/** Milliseconds after which a guest that does not let go of an interface loses it as by force. */
const patienceMs = 120_000;

/**
 * Takes the interfaces that come to an instance, or go from it, one step further; undefined: there are none.
 *
 *     (its packets can flow) → plugged in: attached → detaching → out: its network lets it go
 *
 * The network comes before the machine's end of it, and goes after it. A guest that is not up is given none and asked for none; what
 * it never had, or what goes by force, goes all the same.
 */
export async function moveInterfaces(
  instance: InstanceRecord,
  records: Ec2Records,
  host: InstanceHost,
  { guestIsUp = true } = {},
): Promise<Outcome | undefined> {
  const { id } = instance;
  let waiting = false;
  for (const { id: nicId } of records.interfacesOf(id)) {
    const nic = records.get("network-interface", nicId);
    const { attachment, so } = nic ?? {};
    if (!nic || !attachment || attachment.out) continue;
    if (attachment.detaching) {
      if (!guestIsUp && !attachment.detaching.force && !attachment.plugging) continue;
      const clock = `${id} unplug ${attachment.id}`;
      const force = attachment.detaching.force || host.worked.since(clock) >= patienceMs;
      const out = rewritten(nic, { ...attachment, out: true }, records);
      if (await host.machines.unplug(id, nic.id, { force })) {
        host.worked.forget(clock);
        return out;
      }
      waiting = true;
    } else if (guestIsUp && attachment.plugging && so?.ready) {
      const { plugging: _, ...attached } = attachment;
      const pluggedIn = rewritten(nic, attached, records);
      const { ports } = await host.machineSpec(instance, records);
      for (const port of ports) if (port.id === nic.id) await host.machines.plug(id, port);
      return pluggedIn;
    }
  }
  return waiting ? wait(5_000) : undefined;
}

/** Made before the step, so that what is asked of the interface meanwhile is not written over. */
const rewritten = (
  nic: NetworkInterfaceRecord,
  attachment: InterfaceAttachment,
  records: Ec2Records,
): Outcome => moved(records.rewrite("network-interface", { ...nic, attachment }));
