import type { DiskDriver } from "#drivers/disk/disk-driver.ts";
import type { MachineDriver, MachineSpec, MachineState } from "#drivers/machine/machine-driver.ts";
import { keyRefusal } from "#drivers/open-key.ts";
import type { PassingKeys } from "#drivers/passing-keys.ts";
import { moved, settled, wait, type Outcome } from "#reconcile/outcome.ts";
import type { Entry, Transaction } from "#store/store.ts";
import { clientTokenClaim, modificationClaims } from "../client-token.ts";
import { unmapped } from "../network-interface/public-address.ts";
import type { Ec2Records } from "../records.ts";
import { putRootBack, replaceRoot } from "../root-replacement/root-exchange.ts";
import { taskKeys } from "../root-replacement/root-replacement.ts";
import { isPending } from "../snapshot/snapshot.ts";
import { fitsHost } from "./capacity.ts";
import {
  afterHostBoot,
  reasons,
  type InstanceRecord,
  type InstanceSo,
  type TransitionReason,
} from "./instance.ts";
import { instanceStores } from "./instance-store.ts";
import type { LaunchQueue } from "./launch-queue.ts";
import { moveInterfaces } from "./moving-interfaces.ts";
import { moveVolumes } from "./moving-volumes.ts";

export interface InstanceHost {
  readonly hostId: string;
  /** Changes when the host boots: machines of an earlier boot were ended by it, not by themselves. */
  readonly bootId: string;
  /** What instances may be promised together. */
  readonly memoryMiB: number;
  readonly machines: MachineDriver;
  readonly disks: Pick<DiskDriver, "remove">;
  /** What instance stores are encrypted with. */
  readonly storeKeys: Pick<PassingKeys, "forget">;
  /** The machine of an instance whose volumes and interfaces are ready. */
  readonly machineSpec: (instance: InstanceRecord, records: Ec2Records) => Promise<MachineSpec>;
  readonly queue: LaunchQueue;
  /** Milliseconds that this program has worked on `what` since it first asked; asked anew after `forget`. */
  readonly worked: { since(what: string): number; forget(what: string): void };
  readonly now: () => Date;
}

/** Milliseconds of work after which a state that should pass is ended, and the record says why. */
const deadlines = {
  /** Disks and network ready, and its process running; its turn in the queue not counted. */
  launch: 120_000,
  /** A guest that does not heed the power button. */
  powerOff: 60_000,
  powerOffToTerminate: 15_000,
  /** A machine that does not start; then it has its original root volume again. */
  startWithNewRoot: 15_000,
  /** A guest that still starts does not hear the button: it is pressed again. */
  pressAgain: 2_000,
  /** Terminated instances stay visible for an hour, as on AWS. */
  forgetTerminated: 3_600_000,
} as const;

/** Takes one instance of this host one step from what is to what is wanted. */
export async function reconcileInstance(
  id: string,
  records: Ec2Records,
  host: InstanceHost,
): Promise<Outcome> {
  const entry = records.entry("instance", id);
  if (!entry || entry.value.hostId !== host.hostId) return settled;
  const { wanted, so } = entry.value;
  if (so.generation < wanted.generation) {
    host.worked.forget(`${id} reboot`);
    return { running: launch, stopped: stop, terminated: terminate }[wanted.state](entry, records, host);
  }
  switch (so.state) {
    case "running":
      return keepRunning(entry, records, host);
    case "stopping":
      return finishStop(entry, records, host, so.reason ?? reasons.guestStopped);
    case "shutting-down":
      return release(entry, records, host);
    case "terminated":
      return forget(entry, records, host);
    case "stopped":
      return (
        (await replaceRoot(entry.value, records, host)) ??
        (await moveDevices(entry.value, records, host)) ??
        settled
      );
    case "new":
      return settled;
  }
}

type Step = (entry: Entry<InstanceRecord>, records: Ec2Records, host: InstanceHost) => Promise<Outcome>;

const launch: Step = async (entry, records, host) => {
  const { id, wanted } = entry.value;
  const clock = `${id} launch ${wanted.generation}`;
  const fail = (reason: TransitionReason) => {
    host.worked.forget(clock);
    return launchFailed(entry, host, reason);
  };
  if (records.volumesOf(id).some(({ so }) => so.failed?.startsWith("Client.")))
    return fail(reasons.clientError);
  if (![...records.volumesOf(id), ...records.interfacesOf(id)].every(({ so }) => so.ready)) {
    if (!overdue(host, clock, deadlines.launch)) return wait(1_000);
    return fail(reasons.internal("the launch failed: its disks and network were not ready in time"));
  }
  const replaced = await replaceRoot(entry.value, records, host);
  if (replaced) return replaced;
  if (!fitsHost(entry.value, host.memoryMiB, records)) return fail(reasons.noRoom);
  if (isBeingSnapshot(id, records) || !host.queue.enter(id)) {
    host.worked.forget(clock);
    return wait(1_000);
  }
  try {
    await host.machines.ensure(await host.machineSpec(entry.value, records));
  } catch (error) {
    if (keyRefusal(error)) return fail(reasons.clientError);
    if (!overdue(host, clock, deadlines.launch / 4)) throw error;
    return fail(reasons.internal(`the launch failed: ${messageOf(error)}`));
  }
  host.worked.forget(clock);
  const machine = await host.machines.observe(id);
  const up = machine.state === "running" && machine.booted;
  if (up) host.queue.leave(id);
  return reached(entry, host, {
    state: "running",
    bootId: host.bootId,
    reboots: wanted.reboots,
    ...(up && { booted: true }),
  });
};

/** A first launch that fails ends terminated, a later one stopped, as on AWS. */
async function launchFailed(entry: Entry<InstanceRecord>, host: InstanceHost, reason: TransitionReason) {
  const { id, so } = entry.value;
  host.queue.leave(id);
  await host.machines.stop(id);
  return reached(entry, host, { state: so.state === "new" ? "shutting-down" : "stopping", reason });
}

const stop: Step = async (entry, records, host) => {
  const { id, wanted } = entry.value;
  host.queue.leave(id);
  const off = await switchedOff(id, wanted.force ? 0 : deadlines.powerOff, host);
  return off ? finishStop(entry, records, host, wanted.reason ?? reasons.userStopped) : wait(500);
};

/** The machine's process goes, and with it its instance stores, and the address that was its own only while it ran. */
async function finishStop(
  entry: Entry<InstanceRecord>,
  records: Ec2Records,
  host: InstanceHost,
  reason: TransitionReason,
) {
  const { id } = entry.value;
  await host.machines.stop(id);
  await removeStores(entry.value, host);
  const addresses = records
    .interfacesOf(id)
    .flatMap(({ id: nicId }) => records.publicAddressesOf(nicId))
    .filter(({ allocationId }) => allocationId === undefined);
  return reached(entry, host, { state: "stopped", reason }, unmapped(addresses, records));
}

async function removeStores(instance: InstanceRecord, host: InstanceHost): Promise<void> {
  for (const { id } of instanceStores(instance)) {
    // First: whatever becomes of its file, nobody reads it again.
    host.storeKeys.forget(id);
    await host.disks.remove(id);
  }
}

const terminate: Step = async (entry, records, host) => {
  const { id, wanted } = entry.value;
  host.queue.leave(id);
  const off = await switchedOff(id, wanted.force ? 0 : deadlines.powerOffToTerminate, host);
  return off ? release(entry, records, host) : wait(500);
};

/** First the machine, then what it used; terminated is said only when nothing of it is left on the host. */
const release: Step = async (entry, records, host) => {
  const { key, revision, value: instance } = entry;
  const { id, so } = instance;
  if (!so.released) {
    await host.machines.remove(id);
    await removeStores(instance, host);
    const value: InstanceRecord = { ...instance, so: { ...so, released: true } };
    return moved({ expect: [{ at: [key, revision] }], put: [{ key, value }] });
  }
  if ([...records.volumesOf(id), ...records.interfacesOf(id)].length > 0) return wait(1_000);
  return reached(entry, host, {
    state: "terminated",
    reason: so.reason ?? instance.wanted.reason ?? reasons.userStopped,
  });
};

const forget: Step = async ({ key, revision, value }, records, host) => {
  const { so, clientToken, id, creditsModifiedBy } = value;
  const age = host.now().getTime() - Date.parse(so.since ?? "");
  if (age < deadlines.forgetTerminated) return wait(deadlines.forgetTerminated - age);
  return moved({
    expect: [{ at: [key, revision] }],
    delete: [
      key,
      records.key("console", id),
      records.key("screenshot", id),
      records.key("credits", id),
      ...modificationClaims("ModifyInstanceCreditSpecification", creditsModifiedBy, records),
      ...records.rootReplacementsOf(id).flatMap((task) => taskKeys(task, records)),
      ...(clientToken === "" ? [] : [records.key("claim", clientTokenClaim("RunInstances", clientToken))]),
    ],
  });
};

const keepRunning: Step = async (entry, records, host) => {
  const { id, wanted, so } = entry.value;
  const machine = await host.machines.observe(id);
  const poweredOff = machine.state === "off" && machine.how === "powered-off";
  if (so.bootId !== host.bootId && !poweredOff) return relaunch(entry, records, host);
  if (so.reboots < wanted.reboots) return reboot(entry, machine, records, host);
  if (machine.state === "running") {
    if (so.paused?.why !== machine.paused) return pausedOrNot(entry, machine.paused, host);
    if (String(so.cutOff?.interfaceIds ?? []) !== String(machine.cutOff ?? []))
      return cutOffOrNot(entry, machine.cutOff, host);
    if (!so.booted) {
      const move = await moveDevices(entry.value, records, host, { guestIsUp: false });
      return move ?? awaitBoot(entry, machine.booted, host);
    }
    if (!machine.booted) return bootsAgain(entry);
    return (await moveDevices(entry.value, records, host)) ?? settled;
  }
  host.queue.leave(id);
  if (poweredOff) {
    const state = entry.value.shutdownBehavior === "terminate" ? "shutting-down" : "stopping";
    return reached(entry, host, { state, reason: reasons.guestStopped });
  }
  const detail = machine.how === "died" ? machine.detail : "the machine's process is gone";
  return reached(entry, host, { state: "stopping", reason: reasons.internal(detail) });
};

/** One that its guest keeps does not hold up the others. */
async function moveDevices(...its: Parameters<typeof moveInterfaces>): Promise<Outcome | undefined> {
  const interfaces = await moveInterfaces(...its);
  return interfaces?.kind === "moved" ? interfaces : ((await moveVolumes(...its)) ?? interfaces);
}

/** A guest that has come up gives its place in the queue to the next, and its status checks pass. */
function awaitBoot(
  { key, revision, value }: Entry<InstanceRecord>,
  booted: boolean,
  host: InstanceHost,
): Outcome {
  if (!booted) return wait(1_000);
  host.queue.leave(value.id);
  const now: InstanceRecord = { ...value, so: { ...value.so, booted: true } };
  return moved({ expect: [{ at: [key, revision] }], put: [{ key, value: now }] });
}

/** Its status checks fail while it stands still. */
function pausedOrNot(
  { key, revision, value }: Entry<InstanceRecord>,
  why: string | undefined,
  host: InstanceHost,
): Outcome {
  const { paused: _, ...so } = value.so;
  const paused = why !== undefined && { paused: { why, since: host.now().toISOString() } };
  return moved({
    expect: [{ at: [key, revision] }],
    put: [{ key, value: { ...value, so: { ...so, ...paused } } }],
  });
}

/** Its status checks fail while nothing passes an interface of it. */
function cutOffOrNot(
  { key, revision, value }: Entry<InstanceRecord>,
  interfaceIds: readonly string[] | undefined,
  host: InstanceHost,
): Outcome {
  const { cutOff: before, ...so } = value.so;
  const since = before?.since ?? host.now().toISOString();
  return moved({
    expect: [{ at: [key, revision] }],
    put: [
      { key, value: { ...value, so: { ...so, ...(interfaceIds && { cutOff: { interfaceIds, since } }) } } },
    ],
  });
}

/** The guest restarted itself. */
function bootsAgain({ key, revision, value }: Entry<InstanceRecord>): Outcome {
  const { booted: _, ...so } = value.so;
  return moved({ expect: [{ at: [key, revision] }], put: [{ key, value: { ...value, so } }] });
}

/** An image is being made of its disks at rest. */
const isHeldOff = (id: string, records: Ec2Records): boolean =>
  records
    .volumesOf(id)
    .some((volume) => records.snapshotsOf(volume.id).some((it) => it.whileOff && isPending(it)));

/**
 * The guest is asked to shut down and started again; one that does not listen is reset, or switched off for an image or for another
 * root volume. Its state stays "running".
 */
async function reboot(
  entry: Entry<InstanceRecord>,
  machine: MachineState,
  records: Ec2Records,
  host: InstanceHost,
): Promise<Outcome> {
  const { id, wanted } = entry.value;
  const clock = `${id} reboot`;
  if (machine.state === "running" && !overdue(host, clock, deadlines.powerOff)) {
    await pressSometimes(id, host);
    return wait(500);
  }
  if (isHeldOff(id, records)) {
    await host.machines.stop(id);
    return wait(500);
  }
  const replaced = await replaceRoot(entry.value, records, host);
  if (replaced) return replaced;
  if (machine.state === "off" && isBeingSnapshot(id, records)) return wait(500);
  const start = `${id} start`;
  try {
    if (machine.state === "running") await host.machines.reset(id);
    else await host.machines.ensure(await host.machineSpec(entry.value, records));
  } catch (error) {
    const refusal = keyRefusal(error);
    if (!refusal && !overdue(host, start, deadlines.startWithNewRoot)) throw error;
    const back = await putRootBack(entry.value, messageOf(error), records, host);
    if (!back && refusal) return launchFailed(entry, host, reasons.clientError);
    if (!back) throw error;
    host.worked.forget(start);
    return back;
  }
  host.worked.forget(clock);
  host.worked.forget(start);
  return reached(entry, host, { state: "running", bootId: host.bootId, reboots: wanted.reboots });
}

/** The host was booted under it: the same machine once more, when it is its turn, unless the host has less memory than before. */
async function relaunch(
  entry: Entry<InstanceRecord>,
  records: Ec2Records,
  host: InstanceHost,
): Promise<Outcome> {
  const { key, revision, value: instance } = entry;
  const { id, wanted, so } = instance;
  if (so.bootId !== undefined)
    return moved({ expect: [{ at: [key, revision] }], put: [{ key, value: afterHostBoot(instance) }] });
  const replaced = await replaceRoot(instance, records, host);
  if (replaced) return replaced;
  if (!fitsHost(instance, host.memoryMiB, records)) return launchFailed(entry, host, reasons.noRoom);
  const clock = `${id} relaunch`;
  if (isBeingSnapshot(id, records) || !host.queue.enter(id)) {
    host.worked.forget(clock);
    return wait(1_000);
  }
  try {
    await host.machines.ensure(await host.machineSpec(instance, records));
  } catch (error) {
    if (keyRefusal(error)) return launchFailed(entry, host, reasons.clientError);
    if (!overdue(host, clock, deadlines.launch)) throw error;
    host.worked.forget(clock);
    return launchFailed(
      entry,
      host,
      reasons.internal(`its host was restarted, and it could not be: ${messageOf(error)}`),
    );
  }
  host.worked.forget(clock);
  return reached(entry, host, { state: "running", bootId: host.bootId, reboots: wanted.reboots });
}

/** One that started meanwhile would write one volume on top of its snapshot, and another that has none yet: they would be of two moments. */
const isBeingSnapshot = (id: string, records: Ec2Records): boolean =>
  records.volumesOf(id).some((it) => records.snapshotsOf(it.id).some(isPending));

/** Presses the power button until the machine is off, for at most `patienceMs`; then it is off by force. */
async function switchedOff(id: string, patienceMs: number, host: InstanceHost): Promise<boolean> {
  const clock = `${id} power off`;
  const machine = await host.machines.observe(id);
  if (machine.state === "running" && !overdue(host, clock, patienceMs)) {
    await pressSometimes(id, host);
    return false;
  }
  host.worked.forget(clock);
  host.worked.forget(`${id} press`);
  return true;
}

async function pressSometimes(id: string, host: InstanceHost): Promise<void> {
  const clock = `${id} press`;
  const since = host.worked.since(clock);
  if (since > 0 && since < deadlines.pressAgain) return;
  host.worked.forget(clock);
  host.worked.since(clock);
  await host.machines.pressPower(id);
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

const overdue = (host: InstanceHost, clock: string, ms: number) => host.worked.since(clock) >= ms;

/** Writes what was reached for the generation that was wanted. */
function reached(
  { key, revision, value: instance }: Entry<InstanceRecord>,
  host: InstanceHost,
  so: Pick<InstanceSo, "state"> & Partial<InstanceSo>,
  beside: Transaction = {},
): Outcome {
  const { reason: _, booted: _booted, paused: _paused, cutOff: _cutOff, ...before } = instance.so;
  const value: InstanceRecord = {
    ...instance,
    so: { ...before, ...so, generation: instance.wanted.generation, since: host.now().toISOString() },
  };
  return moved({
    expect: [{ at: [key, revision] }, ...(beside.expect ?? [])],
    put: [{ key, value }, ...(beside.put ?? [])],
    delete: beside.delete ?? [],
  });
}
