import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { DiskDriver, DiskPlace } from "#drivers/disk/disk-driver.ts";
import { copyDisk } from "#drivers/disk/qcow2/copy-disk.ts";
import { readQcow2Header } from "#drivers/disk/qcow2/qcow2-header.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { run } from "#drivers/linux/commands.ts";
import { machineConformance } from "#drivers/machine/machine-conformance.ts";
import type { MachinePort, MachineSpec, MachineState } from "#drivers/machine/machine-driver.ts";
import { runsGuest } from "#drivers/machine/qemu/acceleration.ts";
import { isAlive, startedWith } from "#drivers/linux/host-process.ts";
import { copyDisksInUse, disksInUse } from "#drivers/machine/qemu/copy-disks.ts";
import { readRecord, writeRecord } from "#drivers/machine/qemu/machine-record.ts";
import { destroyMachines, openQemuMachines } from "#drivers/machine/qemu/qemu-machines.ts";
import type { QemuMachines } from "#drivers/machine/qemu/qemu-machines.ts";
import { Qmp } from "#drivers/machine/qemu/qmp.ts";
import {
  bakeBusyKernel,
  bakeRefusingKernel,
  bakeTinyGuest,
  bakeTinyKernel,
  bakeWritingGuest,
} from "./tiny-guest.ts";

const name = `croft-test-${process.pid}`;
const scratch = mkdtempSync(join(tmpdir(), "croft-machine-"));
const directory = join(scratch, "machines");
const warnings: string[] = [];
const options = {
  directory,
  uids: { first: 0x5000_0000, count: 9 },
  cgroup: name,
  acceleration: "tcg",
  warn: (message: string) => void warnings.push(message),
} as const;
let disks: DiskDriver;
let driver: QemuMachines;
const places = new Map<string, DiskPlace>();

before(async () => {
  const image = join(scratch, "image.qcow2");
  await bakeTinyGuest(image);
  disks = await openQcow2Disks(join(scratch, "disks"), { uid: options.uids.first + 8 });
  for (let n = 0; n < 6; n++) {
    const id = diskId(n);
    await disks.ensure({ id, sizeGiB: 1, image });
    places.set(id, await disks.locate(id));
  }
  driver = await openQemuMachines(options);
  await run("ip", ["netns", "add", name]);
  await run("ip", ["-n", name, "tuntap", "add", "dev", port.device, "mode", "tap", "vnet_hdr"]);
  await run("ip", ["-n", name, "link", "set", port.device, "up"]);
});
after(async () => {
  await driver[Symbol.asyncDispose]();
  await destroyMachines(options);
  await run("ip", ["netns", "delete", name]);
  await rm(scratch, { recursive: true });
});

const port: MachinePort = {
  id: "eni-00000000000000001",
  mac: "02:00:00:00:00:01",
  mtu: 9001,
  namespace: name,
  device: "tap1",
};
/** A tap has a carrier while somebody holds it. */
const isWired = async (_: string, { device }: MachinePort): Promise<boolean> =>
  !(await run("ip", ["-n", name, "link", "show", "dev", device])).includes("NO-CARRIER");

const diskId = (n: number) => `vol-0123456789abcdef${n}`;
const diskOf = (n: number) => {
  const place = places.get(diskId(n));
  assert.ok(place);
  return { id: diskId(n), ...place };
};

const ids = ["i-cycle", "i-button", "i-kill", "i-reset", "i-one", "i-two"];

const specOf = (id: string): MachineSpec => ({
  id,
  cpus: 1,
  threadsPerCore: 1,
  memoryMiB: 64,
  identity: { uuid: "ec200000-0000-4000-8000-000000000000", product: "t3.nano" },
  boot: { by: "bios" },
  disks: [diskOf(Math.max(ids.indexOf(id), 0))],
  ports: [],
});

const lifeOf = (id: string) => {
  const life = readRecord(join(directory, id))?.life;
  assert.ok(life?.state === "running", JSON.stringify(life));
  return life;
};
const pidOf = (id: string): number => lifeOf(id).process.pid;
const uidOf = (id: string) => readRecord(join(directory, id))?.uid;
const kill = async (id: string): Promise<void> => void process.kill(pidOf(id), "SIGKILL");

/** What the machine's process has open: paths, or kinds. */
const heldBy = (id: string): string[] => {
  const fds = `/proc/${pidOf(id)}/fd`;
  return readdirSync(fds).map((fd) => readlinkSync(join(fds, fd)).replace(/:\[.*/, ""));
};

/** Its QEMU has the disk of another, and reads it: this is answered once that is there. */
const reads = async (id: string, disk: string): Promise<boolean> => {
  const qmp = await Qmp.connect(join(directory, id, "qmp-backup"), AbortSignal.timeout(10_000));
  await qmp.execute("human-monitor-command", { "command-line": `qemu-io ${disk} "read 0 512"` });
  const nodes = (await qmp.execute("query-named-block-nodes", { flat: true })) as { "node-name": string }[];
  qmp.close();
  return nodes.some((it) => it["node-name"] === `${disk}-served`);
};

const shownGiB = async (id: string, disk: string): Promise<number | undefined> => {
  const qmp = await Qmp.connect(join(directory, id, "qmp-backup"), AbortSignal.timeout(10_000));
  const devices = (await qmp.execute("query-block")) as {
    readonly qdev?: string;
    readonly inserted?: { readonly image: { readonly "virtual-size": number } };
  }[];
  qmp.close();
  const bytes = devices.find(({ qdev }) => qdev?.includes(`/${disk}/`))?.inserted?.image["virtual-size"];
  return bytes === undefined ? undefined : bytes / 1024 ** 3;
};

const until = async (condition: () => Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 20_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `in vain: ${String(condition)}`);
    await sleep(20);
  }
};
const prompted = async (id: string) => (await driver.console(id)).includes("login:");

machineConformance("QEMU machines", {
  driver: () => driver,
  specOf,
  port: () => port,
  isWired,
  disk: () => diskOf(5),
  snapshot: async () => {
    await disks.snapshot("snap-0123456789abcdef5", diskId(5));
    places.set(diskId(5), await disks.locate(diskId(5)));
    return diskOf(5);
  },
  holds: async (id, disk) =>
    disk.servedBy === undefined ? heldBy(id).includes(disk.path) : reads(id, disk.id),
  sizeGiB: shownGiB,
  kill,
});

describe("a QEMU machine", () => {
  test("that keeps a port it is asked for has nothing on it by force, and is not given it again before it is off", async () => {
    await driver.ensure(specOf("i-port"));
    await driver.plug("i-port", port);
    assert.deepEqual(lifeOf("i-port").spec?.ports, [port]);
    assert.equal(await driver.unplug("i-port", port.id, { force: false }), false);
    assert.ok(await isWired("i-port", port));
    await reopen(async () => {});
    await driver.plug("i-port", port);
    assert.ok(await isWired("i-port", port), "a later driver finds it in its place");
    assert.equal(await driver.unplug("i-port", port.id, { force: true }), true);
    assert.equal(await isWired("i-port", port), false);
    assert.deepEqual(lifeOf("i-port").spec?.ports, []);
    await assert.rejects(driver.plug("i-port", port), /has not let go/);
    await driver.stop("i-port");
    await driver.ensure(specOf("i-port"));
    await driver.plug("i-port", port);
    assert.ok(await isWired("i-port", port));
    await driver.remove("i-port");
  });

  test("whose tap someone removed says so, and takes the one that is made in its place, whoever looks after it", async () => {
    await driver.ensure({ ...specOf("i-one"), ports: [port] });
    const cutOff = async () => {
      const machine = await driver.observe("i-one");
      return machine.state === "running" ? machine.cutOff : assert.fail("it is off");
    };
    const pid = pidOf("i-one");
    for (const round of ["of this driver", "of the next"]) {
      await run("ip", ["-n", name, "link", "del", "dev", port.device]);
      if (round === "of the next") {
        await driver[Symbol.asyncDispose]();
        driver = await openQemuMachines(options);
      }
      await until(async () => (await cutOff()) !== undefined);
      assert.deepEqual(await cutOff(), [port.id]);
      await run("ip", ["-n", name, "tuntap", "add", "dev", port.device, "mode", "tap", "vnet_hdr"]);
      await run("ip", ["-n", name, "link", "set", port.device, "up"]);
      await until(async () => (await cutOff()) === undefined);
      assert.equal(await isWired("i-one", port), true);
    }
    assert.equal(pidOf("i-one"), pid);
    await driver.remove("i-one");
  });

  test("says when no slot is free for a further port, and goes on", async () => {
    await driver.ensure(specOf("i-port"));
    const ports = [1, 2, 3, 4, 5].map((n) => ({ ...port, id: `eni-${n}`, device: `more${n}` }));
    for (const { device } of ports)
      await run("ip", ["-n", name, "tuntap", "add", "dev", device, "mode", "tap", "vnet_hdr"]);
    for (const it of ports.slice(0, 4)) await driver.plug("i-port", it);
    await assert.rejects(driver.plug("i-port", ports[4] ?? port), /no free slot/);
    assert.equal((await driver.observe("i-port")).state, "running");
    await driver.remove("i-port");
  });

  test("holds its disks that have limits to others that they share, also one that is plugged in, and no disk without", async () => {
    const limited = (n: number) => ({ ...diskOf(n), limits: {} });
    const id = "i-shared";
    const burst = { rate: 3_000_000, seconds: 1800 };
    const sharedLimits = { bytes: { rate: 1_000_000, burst }, requests: { rate: 500, bytes: 4096 } };
    await driver.ensure({ ...specOf(id), disks: [limited(1), diskOf(2)], sharedLimits });
    await driver.plugDisk(id, limited(3));
    const qmp = await Qmp.connect(join(directory, id, "qmp-backup"), AbortSignal.timeout(10_000));
    const blocks = (await qmp.execute("query-block")) as {
      qdev: string;
      inserted: Record<string, unknown>;
    }[];
    qmp.close();
    const held = blocks.flatMap(({ qdev, inserted: { group, bps, bps_max: most, iops } }) =>
      group === undefined ? [] : [[qdev.split("/")[3], group, bps, most, iops].join(" ")],
    );
    assert.deepEqual(
      held.toSorted(),
      [1, 3].map((n) => `${diskId(n)} shared 1000000 3000000 500`),
    );
    await driver.remove(id);
  });

  test("that keeps a disk it is asked for has it until it is forced, then another may have it, and itself not before it is off", async () => {
    const [disk, asked] = [diskOf(4), { force: false }];
    const holds = (id: string) => heldBy(id).includes(disk.path);
    await driver.ensure(specOf("i-disk"));
    await driver.plugDisk("i-disk", disk);
    assert.deepEqual(lifeOf("i-disk").spec?.disks, [...specOf("i-disk").disks, disk]);
    const qmp = await Qmp.connect(join(directory, "i-disk", "qmp-backup"), AbortSignal.timeout(10_000));
    const place = { path: `/machine/peripheral/${disk.id}`, property: "parent_bus" };
    assert.match(String(await qmp.execute("qom-get", place)), /slot3$/, "the first are for interfaces");
    qmp.close();
    const sizeNow = async () =>
      Number(((await readQcow2Header(disk.path))?.virtualBytes ?? 0n) / 1024n ** 3n);
    const to = (sizeGiB: number) => ({ sizeGiB, limits: { bytes: { rate: 1024 * 1024 } } });
    for (const size of [3, 3, 2]) assert.equal(await driver.changeDisk("i-disk", disk.id, to(size)), true);
    assert.equal(await sizeNow(), 3);
    assert.equal(await driver.changeDisk("i-disk", diskId(2), to(3)), false, "it does not have that one");
    const other = { ...specOf("i-other"), disks: [diskOf(1), disk] };
    await assert.rejects(driver.ensure(other), /lock/);
    await reopen(async () => {});
    assert.equal(await driver.unplugDisk("i-disk", disk.id, asked), false);
    await driver.plugDisk("i-disk", disk);
    assert.ok(holds("i-disk"), "a later driver finds it in its place");
    assert.equal(await driver.unplugDisk("i-disk", disk.id, { force: true }), true);
    assert.equal(holds("i-disk"), false);
    assert.deepEqual(lifeOf("i-disk").spec?.disks, specOf("i-disk").disks);
    await driver.ensure(other);
    assert.ok(holds("i-other"));
    await assert.rejects(driver.plugDisk("i-disk", disk), /has not let go/);
    assert.equal(await driver.changeDisk("i-disk", disk.id, to(4)), false);
    assert.equal(await driver.unplugDisk("i-disk", disk.id, { force: true }), true);
    await driver.remove("i-other");
    await driver.stop("i-disk");
    await driver.ensure(specOf("i-disk"));
    await driver.plugDisk("i-disk", disk);
    assert.ok(holds("i-disk"));
    await driver.remove("i-disk");
  });

  test("is confined: own user, no capabilities, no privileges to gain, system calls denied", async () => {
    await driver.ensure(specOf("i-jail"));
    const status = readFileSync(`/proc/${pidOf("i-jail")}/status`, "utf8");
    const field = (key: string) => new RegExp(`^${key}:[ \\t]*(.*)$`, "m").exec(status)?.[1];
    const uid = String(uidOf("i-jail"));
    assert.equal(field("Uid"), Array(4).fill(uid).join("\t"));
    assert.equal(field("Gid"), Array(4).fill(uid).join("\t"));
    assert.equal(field("Groups")?.trim(), "");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      assert.equal(field(set), "0000000000000000", set);
    assert.equal(field("NoNewPrivs"), "1");
    assert.equal(field("Seccomp"), "2");
    const limits = readFileSync(`/proc/${pidOf("i-jail")}/limits`, "utf8");
    assert.match(limits, /^Max core file size +0 /m);
    assert.match(limits, /^Max processes +129 /m);
  });

  test("sees an empty network, and of this host's files /usr alone; it can write nowhere", async () => {
    const pid = pidOf("i-jail");
    const root = `/proc/${pid}/root`;
    assert.deepEqual(readdirSync(root).toSorted(), [
      "bin",
      "dev",
      "etc",
      "lib",
      "lib64",
      "proc",
      "sbin",
      "served",
      "usr",
    ]);
    assert.deepEqual(readdirSync(join(root, "served")), []);
    assert.deepEqual(readdirSync(join(root, "etc")), ["ld.so.cache"]);
    assert.deepEqual(readdirSync(join(root, "proc")), []);
    assert.deepEqual(readdirSync(join(root, "dev")).toSorted(), ["null", "random", "urandom", "zero"]);
    for (const mount of readFileSync(`/proc/${pid}/mounts`, "utf8").trimEnd().split("\n"))
      assert.match(mount, /^\S+ (\/|\/usr|\/served) \S+ ro[, ]/, "every mount is read-only");
    const links = await run("nsenter", ["-t", String(pid), "-n", "ip", "-o", "link"]);
    assert.deepEqual(
      links.match(/^\d+: .*$/gm)?.map((line) => line.split(" ")[1]),
      ["lo:"],
    );
    for (const space of ["net", "ipc", "uts", "mnt"])
      assert.notEqual(
        readlinkSync(`/proc/${pid}/ns/${space}`),
        readlinkSync(`/proc/self/ns/${space}`),
        space,
      );
  });

  test("holds what it was handed, and nothing else of ours", async () => {
    const held = heldBy("i-jail");
    const disk = diskOf(0);
    const stderr = join(directory, "i-jail", "stderr");
    const allowed = new Set(["/dev/null", "/dev/urandom", stderr, disk.path, ...disk.below, "socket"]);
    const strange = held.filter((path) => !allowed.has(path) && !path.startsWith("anon_inode"));
    assert.deepEqual(strange, []);
    // Its two listening sockets, and its end of the conversation with us.
    assert.equal(held.filter((path) => path === "socket").length, 3);
  });

  test("can be commanded by root alone", () => {
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    assert.equal(statSync(join(directory, "i-jail")).mode & 0o777, 0o700);
    for (const socket of ["qmp", "qmp-backup"])
      assert.equal(statSync(join(directory, "i-jail", socket)).mode & 0o777, 0o600, socket);
    assert.equal(statSync(join(directory, "i-jail", "machine.json")).mode & 0o777, 0o600);
  });

  test("has a user of its own, which another gets when it is gone", async () => {
    await driver.ensure({ ...specOf("i-other"), disks: [diskOf(1)] });
    const uid = uidOf("i-jail");
    assert.notEqual(uidOf("i-other"), uid);
    await driver.remove("i-jail");
    await driver.ensure(specOf("i-next"));
    assert.equal(uidOf("i-next"), uid);
    await Promise.all([driver.remove("i-other"), driver.remove("i-next")]);
  });

  test("has its disks copied while it runs or not, also after a copy that was broken off, to files that stand alone", async () => {
    const id = "i-copied";
    const [machine, disk] = [join(directory, id), diskOf(0)];
    const target = async (copy: string) => {
      const path = join(scratch, copy);
      await run("qemu-img", ["create", "-q", "-f", "qcow2", path, "1G"]);
      return new Map([[disk.id, path]]);
    };
    await driver.ensure(specOf(id));
    await until(async () => prompted(id));
    assert.deepEqual(disksInUse(machine), [disk.id]);
    await assert.rejects(copyDisksInUse(machine, await target("broken"), AbortSignal.abort()), /abort/i);
    await copyDisksInUse(machine, await target("running"), AbortSignal.timeout(20_000));
    assert.equal((await driver.observe(id)).state, "running");
    await driver.remove(id);
    assert.deepEqual(disksInUse(machine), []);
    await copyDisk(disk, join(scratch, "off"), options.uids.first + 8);
    for (const copy of ["running", "off"]) {
      const path = join(scratch, copy);
      assert.equal(statSync(path).uid, 0);
      assert.doesNotMatch(await run("qemu-img", ["info", path]), /backing|data file/);
      assert.match(
        await run("qemu-img", ["compare", chainOf([disk.path, ...disk.below]), path]),
        /identical/,
      );
    }
  });

  test("is limited by a control group, which goes with it", async (t) => {
    if (warnings.length > 0) return t.skip(warnings.join("; "));
    await driver.ensure(specOf("i-group"));
    const groups = readFileSync(`/proc/${pidOf("i-group")}/cgroup`, "utf8");
    assert.match(groups, new RegExp(`/${name}/i-group$`, "m"));
    await driver.remove("i-group");
    assert.deepEqual(groupsLeft(), []);
  });

  test("is held to its share of the host's processors, until it is let go", async (t) => {
    if (warnings.length > 0) return t.skip(warnings.join("; "));
    const image = join(scratch, "busy");
    await bakeBusyKernel(image);
    await driver.ensure({
      ...specOf("i-busy"),
      boot: { by: "kernel", image, initrd: image, commandLine: "" },
    });
    const ran = async () => (await driver.processorMs("i-busy")) ?? NaN;
    /** Of one processor, in the next two seconds. */
    const share = async () => {
      const [earlier, since] = [await ran(), performance.now()];
      await sleep(2000);
      return ((await ran()) - earlier) / (performance.now() - since);
    };
    await driver.limitProcessors("i-busy", 0.1);
    await sleep(200);
    const limited = await share();
    assert.ok(limited > 0.01 && limited < 0.15, `${limited}`);
    await driver.limitProcessors("i-busy", undefined);
    const free = await share();
    assert.ok(free > limited, `${free}`);
    await driver.remove("i-busy");
  });

  test("does not get a disk that another machine has, and says so; nothing stays of the attempt", async () => {
    await driver.ensure(specOf("i-holder"));
    await assert.rejects(driver.ensure(specOf("i-thief")), /i-thief does not start: .*lock/s);
    assert.deepEqual(await driver.observe("i-thief"), { state: "off", how: "absent" });
    assert.equal((await driver.observe("i-holder")).state, "running");
    await Promise.all([driver.remove("i-thief"), driver.remove("i-holder")]);
  });

  test("is plugged into its taps, several disks and all", async () => {
    const namespace = `${name}-taps`;
    await run("ip", ["netns", "add", namespace]);
    try {
      const ports = [1, 2].map((n): MachinePort => {
        const device = `tap${n}`;
        return { id: `eni-${n}`, mac: `02:00:00:00:00:0${n}`, mtu: 9001, namespace, device };
      });
      for (const { device } of ports)
        await run("ip", ["-n", namespace, "tuntap", "add", device, "mode", "tap", "vnet_hdr"]);
      await driver.ensure({ ...specOf("i-full"), disks: [diskOf(0), diskOf(1), diskOf(2)], ports });
      for (const { device } of ports) await run("ip", ["-n", namespace, "link", "set", device, "up"]);
      const links = await run("ip", ["-n", namespace, "-o", "link"]);
      assert.equal(links.match(/tap\d: <.*LOWER_UP/g)?.length, 2, "both taps are held");
      await until(() => prompted("i-full"));
      await driver.remove("i-full");
    } finally {
      await run("ip", ["netns", "delete", namespace]);
    }
  });

  test("boots a kernel of this host's directly, though it could not open it by its name", async () => {
    const [image, initrd] = [join(scratch, "kernel"), join(scratch, "initrd")];
    await bakeTinyKernel(image);
    await bakeTinyKernel(initrd);
    const boot = { by: "kernel", image, initrd, commandLine: "tiny login: " } as const;
    await driver.ensure({ ...specOf("i-kernel"), boot });
    await until(() => prompted("i-kernel"));
    assert.match((await driver.console("i-kernel")).toString(), /\/boot\/kernel tiny login: /);
    await driver.remove("i-kernel");
  });

  test("boots by UEFI, again after a reset, with variables of its own that stay until it is removed", async () => {
    const spec: MachineSpec = { ...specOf("i-uefi"), memoryMiB: 128, boot: { by: "uefi" } };
    const variables = join(directory, "i-uefi", "uefi-variables");
    const boots = async () => (await driver.console("i-uefi")).toString().split("BdsDxe: loading").length - 1;
    await driver.ensure(spec);
    assert.equal(statSync(variables).mode & 0o777, 0o600);
    assert.ok(heldBy("i-uefi").includes(variables));
    await until(async () => (await boots()) > 0);
    const first = await boots();
    await driver.reset("i-uefi");
    await until(async () => (await boots()) > first);
    await driver.stop("i-uefi");
    const kept = readFileSync(variables);
    assert.ok(kept.includes(Buffer.from("BootOrder", "utf16le")), "the firmware wrote into them");
    await driver.ensure({ ...spec, boot: { by: "bios" } });
    assert.deepEqual(readFileSync(variables), kept);
    await driver.remove("i-uefi");
    assert.equal(existsSync(variables), false);
  });

  test("whose kernel finds the disk changed boots from the disk, then and ever after, whoever looks after it", async () => {
    const id = "i-refused";
    const [image, initrd] = [join(scratch, "refusing-kernel"), join(scratch, "initrd")];
    await bakeRefusingKernel(image);
    const boot = { by: "kernel", image, initrd, commandLine: "the kernel" } as const;
    const printed = async (text: string) => (await driver.console(id)).toString().split(text).length - 1;
    await driver.ensure({ ...specOf(id), boot });
    const { process: first } = lifeOf(id);
    await driver[Symbol.asyncDispose]();
    await sleep(2000);
    driver = await openQemuMachines(options);
    await until(() => prompted(id));
    assert.equal(isAlive(first), false);
    assert.equal((await driver.observe(id)).state, "running");
    assert.equal(await printed("the kernel"), 1);

    await driver.stop(id);
    await driver.ensure({ ...specOf(id), boot });
    await until(async () => (await printed("login:")) === 2);
    assert.equal(await printed("the kernel"), 1);
    // Its power button is obeyed as any machine's.
    await driver.pressPower(id);
    await until(async () => (await driver.observe(id)).state === "off");
    assert.deepEqual(await driver.observe(id), { state: "off", how: "powered-off" });
    await driver.remove(id);
  });

  test("does not start without a file it needs, and says which", async () => {
    const image = join(scratch, "no-kernel");
    const boot = { by: "kernel", image, initrd: "/dev/null", commandLine: "" } as const;
    await assert.rejects(driver.ensure({ ...specOf("i-bare"), boot }), /i-bare does not start: .*no-kernel/);
    const disk = { id: "vol-none", path: join(scratch, "no-disk"), below: [] };
    await assert.rejects(
      driver.ensure({ ...specOf("i-bare"), disks: [disk] }),
      /i-bare does not start: .*no-disk/,
    );
    assert.deepEqual(await driver.observe("i-bare"), { state: "off", how: "absent" });
    await driver.remove("i-bare");
  });

  test("has an id that is no path", async () => {
    await assert.rejects(driver.ensure(specOf("../i-out")), /not a machine's id/);
    await assert.rejects(driver.remove(".."), /not a machine's id/);
  });

  test("stands still while there is no room for what it writes, says why, and goes on when there is", async (t) => {
    const image = join(scratch, "writing.qcow2");
    await bakeWritingGuest(image);
    const full = join(scratch, "full");
    await mkdir(full);
    await run("mount", ["-t", "tmpfs", "-o", "size=16m", "croft-test", full]);
    t.after(() => run("umount", ["--lazy", full]));
    const small = await openQcow2Disks(full, { uid: options.uids.first + 8 });
    await small.ensure({ id: diskId(9), sizeGiB: 1, image });
    const id = "i-full";
    await driver.ensure({ ...specOf(id), disks: [{ id: diskId(9), ...(await small.locate(diskId(9))) }] });
    const paused = async () => {
      const state = await driver.observe(id);
      assert.equal(state.state, "running", JSON.stringify(state));
      return state.state === "running" ? state.paused : undefined;
    };
    await until(async () => (await paused()) !== undefined);
    assert.match((await paused()) ?? "", /the disk of this host is full/);
    const { pid } = lifeOf(id).process;
    for (let seconds = 0; seconds < 3; seconds++) {
      await sleep(1000);
      assert.match((await paused()) ?? "goes on", /full/, "also when it was let try again");
    }
    await run("mount", ["-o", "remount,size=1g", full]);
    await until(async () => (await paused()) === undefined);
    assert.equal(lifeOf(id).process.pid, pid);
    const { requests = 0, bytes = 0 } = (await driver.diskTraffic(id)).get(diskId(9)) ?? {};
    assert.ok(bytes > 8 * 2 ** 20 && requests >= bytes / 2 ** 16, `${requests} requests of ${bytes} bytes`);
    await driver.remove(id);
  });

  test("is what the kernel ends when memory runs out, not Croft, and then says so", async (t) => {
    const groups = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map((mount) => join(mount, name));
    const id = "i-victim";
    await driver.ensure(specOf(id));
    const score = (pid: number | "self") => Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"));
    assert.ok(score(pidOf(id)) > score("self"));
    const group = groups.map((path) => join(path, id)).find((path) => existsSync(path));
    if (group === undefined) return t.skip("this host has no control group for its memory");
    const version1 = existsSync(join(group, "memory.limit_in_bytes"));
    const [limit, usage] = version1
      ? ["memory.limit_in_bytes", "memory.usage_in_bytes"]
      : ["memory.max", "memory.current"];
    const used = Number(readFileSync(join(group, usage), "utf8"));
    writeFileSync(join(group, limit), String(used + 4 * 2 ** 20));
    // Another process of its group wants what is not there.
    const wants = `echo $$ >${join(group, "cgroup.procs")} && exec dd if=/dev/zero of=/dev/null bs=128M count=1`;
    await run("sh", ["-c", wants]).catch(() => {});
    await until(async () => (await driver.observe(id)).state === "off");
    const state = await driver.observe(id);
    assert.match(
      state.state === "off" && state.how === "died" ? state.detail : "",
      /memory ran out.*OOM killer/,
    );
    await driver.remove(id);
  });

  test("that hangs is stopped all the same, within five seconds", async () => {
    await driver.ensure(specOf("i-hung"));
    const { process: qemu } = lifeOf("i-hung");
    process.kill(qemu.pid, "SIGSTOP");
    const started = performance.now();
    await driver.stop("i-hung");
    assert.ok(performance.now() - started < 5000);
    assert.equal(isAlive(qemu), false);
    await driver.remove("i-hung");
  });
});

const reopen = async (meanwhile: () => Promise<void> | void = () => {}) => {
  await driver[Symbol.asyncDispose]();
  await meanwhile();
  driver = await openQemuMachines(options);
};

describe("the next driver", () => {
  test("takes over a running machine: same process, same console", async () => {
    await driver.ensure(specOf("i-kept"));
    await until(() => prompted("i-kept"));
    const { process: found } = lifeOf("i-kept");
    await reopen();
    assert.equal((await driver.observe("i-kept")).state, "running");
    assert.deepEqual(lifeOf("i-kept").process, found);
    await driver.reset("i-kept");
    await until(async () => (await driver.console("i-kept")).toString().split("login:").length === 3);
  });

  test("hears when a machine it took over is killed", async () => {
    const told = Promise.withResolvers<MachineState>();
    driver.onChange((id) => {
      void driver.observe(id).then((state) => state.state === "off" && told.resolve(state));
    });
    await kill("i-kept");
    const state = await told.promise;
    assert.ok(state.state === "off" && state.how === "died");
  });

  test("tells a guest that powered off meanwhile from a machine that was killed meanwhile", async () => {
    await driver.ensure({ ...specOf("i-off"), disks: [diskOf(1)] });
    await driver.ensure(specOf("i-kept"));
    await until(() => prompted("i-off"));
    const { process: qemu } = lifeOf("i-off");
    // The button is pressed with the driver's last breath.
    await driver.pressPower("i-off");
    await reopen(async () => {
      await kill("i-kept");
      await sleep(500);
    });
    assert.deepEqual(await driver.observe("i-off"), { state: "off", how: "powered-off" });
    const state = await driver.observe("i-kept");
    assert.ok(state.state === "off" && state.how === "died");
    assert.equal(isAlive(qemu), false, "its process is ended");
    await driver.stop("i-kept");
    assert.deepEqual(await driver.observe("i-kept"), { state: "off", how: "absent" });
  });

  test("finds a machine or none, never half of one, wherever its predecessor was killed while it started one", async () => {
    const place = join(directory, "i-kept");
    const outcomes: string[] = [];
    for (let ms = 20; !outcomes.includes("running"); ms *= 1.25) {
      assert.ok(ms < 20_000, "it never got so far");
      await driver.remove("i-kept");
      await reopen(async () => {
        const script = join(import.meta.dirname, "killed-driver.ts");
        const words = [options, specOf("i-kept"), ms].map((word) => JSON.stringify(word));
        const predecessor = spawn(process.execPath, [script, ...words], {
          stdio: ["ignore", "inherit", "inherit", "pipe"],
        });
        assert.deepEqual(await once(predecessor, "exit"), [null, "SIGKILL"]);
      });
      const state = await driver.observe("i-kept");
      const processes = startedWith(`CROFT_MACHINE=${place}`);
      if (state.state === "running") {
        assert.deepEqual(processes, [lifeOf("i-kept").process]);
        assert.ok(!heldBy("i-kept").includes("pipe"), "it did not inherit what its driver inherited");
      } else {
        assert.deepEqual(state, { state: "off", how: "absent" });
        assert.deepEqual(processes, []);
      }
      outcomes.push(state.state);
      await driver.ensure(specOf("i-kept"));
      assert.equal((await driver.observe("i-kept")).state, "running");
    }
    assert.ok(outcomes.includes("off"), outcomes.join());
  });

  test("undoes a start that the last driver's death cut short", async () => {
    const place = join(directory, "i-kept");
    const stray = spawn("sleep", ["60"], { stdio: "ignore", env: { CROFT_MACHINE: place } });
    const ended = once(stray, "exit");
    await reopen(() => writeRecord(place, { uid: options.uids.first, life: { state: "starting" } }));
    assert.deepEqual(await ended, [null, "SIGKILL"]);
    assert.deepEqual(await driver.observe("i-kept"), { state: "off", how: "absent" });
  });

  test("destroys every machine, running or not, and leaves no process, group or file", async () => {
    await driver.ensure(specOf("i-kept"));
    const { process: qemu } = lifeOf("i-kept");
    await driver[Symbol.asyncDispose]();
    await destroyMachines(options);
    assert.equal(isAlive(qemu), false);
    assert.deepEqual(readdirSync(directory), []);
    assert.deepEqual(groupsLeft(), []);
    driver = await openQemuMachines(options);
  });
});

test("a trial guest runs under TCG, and not under an accelerator this host does not have", async () => {
  assert.equal(await runsGuest("tcg"), true);
  const hardware = /\b(vmx|svm)\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  if (!hardware) assert.equal(await runsGuest("kvm"), false);
});

const groupsLeft = (): string[] =>
  ["memory", "pids", "cpu", "."].flatMap((hierarchy) => {
    try {
      return readdirSync(join("/sys/fs/cgroup", hierarchy)).filter((group) => group === name);
    } catch {
      return [];
    }
  });
