import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  waitUntilInstanceRunning,
  waitUntilSnapshotCompleted,
  waitUntilVolumeAvailable,
  type CreateVolumeRequest,
} from "@aws-sdk/client-ec2";
import { defaultRecipe, defaults, layout } from "#config.ts";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { chainOf } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { run } from "#drivers/linux/commands.ts";
import { diskTraffic } from "#drivers/machine/qemu/disk-traffic.ts";
import { plugDisk, unplugDisk } from "#drivers/machine/qemu/hot-plug-disk.ts";
import { readRecord } from "#drivers/machine/qemu/machine-record.ts";
import { socketPath } from "#drivers/machine/qemu/qemu-process.ts";
import { Qmp } from "#drivers/machine/qemu/qmp.ts";
import { findBaked } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";
import { guestShell, openSsh, type GuestShell } from "../tests/guest-shell.ts";
import { startRegion } from "../tests/real-region.ts";
import { makeDisk, startBareMachine } from "../tests/system/bare-machine.ts";
import { bareNetwork } from "../tests/system/bare-network.ts";
import { until } from "../tests/until.ts";
import { comparePairs, round } from "./pairs.ts";

/**
 * What a guest has of its disks, told by fio in it, in turns with the guest of a bare QEMU that has a qcow2 file of the same options. The
 * region's volumes and instance type have limits above what an emulated guest comes to, but where these are what is measured; sequentially in
 * requests of 128 KiB, since of 1 MiB bare comes to 7,000 MiB a second, more than any volume may have. `rates` and `luks` take turns of a second,
 * five for each of `--pairs`.
 * Promises: 0.95 of bare QEMU's speed (`rates`), 0.9 of its LUKS' (`luks`); an attached volume is seen within three times of what a
 * bare hot plug takes (`attach`); gp3's 3,000 requests and 125 MiB a second are held within 5 % (`limits`; what bare comes to
 * is shown beside, for an emulated guest on a busy machine comes to less than 3,000 by itself; also an io2 volume's 1,000); 50 snapshots are
 * read at 0.9 of the speed of one, both plugged into the bare QEMU as the driver plugs them (`chain`).
 * `croft run bench/guest-disk.ts [--pairs 7] [--seconds 3] [--rw read|write|randread|randwrite …] [--pause] [rates|luks|attach|limits|chain …]`,
 * as root, with `fio` installed. `--pause` waits for a line of standard input before each figure, which takes one to three minutes, so that
 * the machine can be left alone for it.
 */
const { values, positionals } = parseArgs({
  options: {
    pairs: { type: "string", default: "7" },
    seconds: { type: "string", default: "3" },
    rw: { type: "string", multiple: true },
    pause: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const wanted = (name: string) => positionals.length === 0 || positionals.includes(name);
const pairs = Number(values.pairs);

interface Job {
  readonly rw: "read" | "write" | "randread" | "randwrite";
  readonly depth: number;
  readonly seconds?: number;
}
const ways = (["read", "write", "randread", "randwrite"] as const).filter(
  (rw) => values.rw?.includes(rw) ?? true,
);
const jobs = ways.flatMap((rw) => [1, 32].map((depth): Job => ({ rw, depth })));
const isRandom = ({ rw }: Job) => rw.startsWith("rand");

const pause = async (figure: string) => {
  if (!values.pause) return;
  console.log(`${figure}: waiting`);
  // An open one would keep this program from its end.
  const input = createInterface({ input: process.stdin });
  await once(input, "line");
  input.close();
};

/** A guest, and its QEMU. */
interface Guest {
  readonly shell: GuestShell;
  readonly qmp: Qmp;
  readonly pid: number;
}
interface Disk extends Guest {
  readonly id: string;
}
const deviceOf = (id: string) => `/dev/disk/by-id/virtio-${id.replaceAll("-", "").slice(0, 20)}`;

await using undo = new AsyncDisposableStack();
const dir = mkdtempSync(join(tmpdir(), "croft-bench-guest-disk-"));
undo.defer(() => rmSync(dir, { recursive: true }));
const fioDisk = await diskOfFio();
const bare = await startBare();
if (["rates", "luks", "attach", "limits"].some(wanted)) await comparedWithRegion();
if (wanted("chain")) await chains();

async function comparedWithRegion(): Promise<void> {
  const region = undo.use(await startRegion());
  const { client: ec2 } = region;
  const patience = { client: ec2, maxWaitTime: 300, minDelay: 1, maxDelay: 1 };
  const key = join(dir, "region-key");
  await openSsh(ec2, "bench", key);
  const { Instances: [instance] = [] } = await ec2.runInstances({
    ImageId: region.imageId,
    InstanceType: "c6in.large",
    KeyName: "bench",
    MinCount: 1,
    MaxCount: 1,
  });
  const InstanceId = instance?.InstanceId ?? "";
  await waitUntilInstanceRunning(patience, { InstanceIds: [InstanceId] });
  const { Reservations = [] } = await ec2.describeInstances({ InstanceIds: [InstanceId] });
  const { PublicIpAddress = "", Placement } = Reservations[0]?.Instances?.[0] ?? {};
  const shell = await guestShell(PublicIpAddress, key);
  const machine = join(layout(region.dataDir).machinesDir, InstanceId);
  const life = readRecord(machine)?.life;
  if (life?.state !== "running") throw new Error(`${InstanceId} does not run`);
  const qmp = await Qmp.connect(socketPath(machine, "qmp-backup"), AbortSignal.timeout(10_000));
  undo.defer(() => qmp.close());
  const guest: Guest = { shell, qmp, pid: life.process.pid };

  const create = async (volume: Partial<CreateVolumeRequest>): Promise<string> => {
    const AvailabilityZone = Placement?.AvailabilityZone;
    const { VolumeId = "" } = await ec2.createVolume({ AvailabilityZone, Size: 64, ...volume });
    await waitUntilVolumeAvailable(patience, { VolumeIds: [VolumeId] });
    return VolumeId;
  };
  const attach = (VolumeId: string, Device = "/dev/sdg") =>
    ec2.attachVolume({ InstanceId, VolumeId, Device });
  const detach = async (VolumeId: string) => {
    await ec2.detachVolume({ VolumeId });
    await waitUntilVolumeAvailable(patience, { VolumeIds: [VolumeId] });
  };
  const SnapshotId = (await region.croft("snapshot", "import", fioDisk)).trim();
  await waitUntilSnapshotCompleted(patience, { SnapshotIds: [SnapshotId] });
  const fioVolume = await create({ SnapshotId, Size: 1 });
  await appears(shell, fioVolume, () => attach(fioVolume, "/dev/sdf"));
  await takeFio(shell, fioVolume);

  const withVolume = async (volume: Partial<CreateVolumeRequest>, use: (disk: Disk) => Promise<void>) => {
    const id = await create(volume);
    await attach(id);
    await appears(shell, id, async () => {});
    await filled({ shell, id });
    await use({ ...guest, id });
    await detach(id);
  };
  const fast = { VolumeType: "io2", Iops: 64_000 } as const;

  for (const [word, Encrypted] of [
    ["rates", false],
    ["luks", true],
  ] as const) {
    if (!wanted(word)) continue;
    const other = await plugBare(`vol-bare-${word}`, Encrypted);
    await filled(other);
    await withVolume({ ...fast, Encrypted }, async (disk) => {
      for (const job of jobs)
        await compareTurns(`${Encrypted ? "encrypted " : ""}${nameOf(job)}`, job, disk, other);
    });
    await unplugBare(other.id);
  }
  if (wanted("attach")) {
    const [id, other] = [await create(fast), "vol-bare-attach"];
    await pause("attached until the guest sees it");
    await comparePairs(
      "attached until the guest sees it",
      "ms",
      {
        ours: async () => {
          const tookMs = await appears(shell, id, () => attach(id));
          await detach(id);
          return tookMs;
        },
        bare: async () => {
          const filename = await makeBareFile(other, false);
          const tookMs = await appears(bare.shell, other, () => plugBareFile(other, { filename }));
          await unplugBare(other);
          return tookMs;
        },
      },
      pairs,
    );
  }
  if (wanted("limits")) {
    const other = await plugBare("vol-bare-limits", false);
    await filled(other);
    const held = async (
      volume: Partial<CreateVolumeRequest>,
      promised: Record<"requests" | "mebibytes", number>,
    ) =>
      withVolume(volume, async (disk) => {
        for (const rw of ways) {
          const job: Job = { rw, depth: 32, seconds: 15 };
          await pause(`${volume.VolumeType}, ${nameOf(job)}`);
          const rate = await fio(disk, job);
          const unlimited = await fio(other, { ...job, seconds: 5 });
          const limit = promised[isRandom(job) ? "requests" : "mebibytes"];
          console.log(
            `${volume.VolumeType}, ${nameOf(job)}: ${round(rate / limit)} of ${limit} ${unitOf(job)}; bare comes to ${round(unlimited)}`,
          );
        }
      });
    await held({ VolumeType: "gp3" }, { requests: 3000, mebibytes: 125 });
    await held({ VolumeType: "io2", Iops: 1000 }, { requests: 1000, mebibytes: 250 });
    await unplugBare(other.id);
  }
}

/** As `bench/disk.ts` makes them, which reads them without a guest. */
async function chains(): Promise<void> {
  const disks = await openQcow2Disks(join(dir, "disks"), { uid: 0x5600_0000 });
  const placed = async (id: string) => {
    const { path, below } = await disks.locate(id);
    return { id, path, below };
  };
  for (const [id, depth] of [
    ["vol-flat", 1],
    ["vol-deep", 50],
  ] as const) {
    await disks.ensure({ id, sizeGiB: 1 });
    for (let n = 0; n < depth; n++) {
      const write = n === 0 ? "write -P 1 0 256M" : `write -P ${n + 1} ${5 * n}M 2M`;
      const { path, below } = await placed(id);
      await run("qemu-io", ["-c", write, chainOf([path, ...below])]);
      await disks.snapshot(`${id}-${n}`, id);
    }
  }
  const measured = async (what: string) => {
    const [deep, flat] = [await placed("vol-deep"), await placed("vol-flat")];
    for (const disk of [deep, flat])
      await appears(bare.shell, disk.id, () => plugDisk(bare.qmp, disk, () => ""));
    for (const job of jobs.filter(({ rw }) => rw.endsWith("read"))) {
      const name = `${nameOf(job)} ${what}, on ${deep.below.length} files`;
      await compare(name, job, { ...bare, id: deep.id }, { ...bare, id: flat.id }, "a chain of 1");
    }
    for (const { id } of [deep, flat])
      await until(
        () => unplugDisk(bare.qmp, id, false),
        (gone) => gone,
      );
  };
  await measured("of 50 snapshots");
  while (await disks.merge(new Set()));
  await measured("of 50 snapshots, merged");
}

/**
 * fio goes on in both guests all the while, but the processor is one's alone: the other's QEMU is stopped. So a turn costs nothing to
 * begin, and there can be many. What was read or written QEMU tells.
 */
async function compareTurns(name: string, job: Job, ours: Disk, other: Disk): Promise<void> {
  await pause(name);
  await using both = new AsyncDisposableStack();
  for (const { pid, shell } of [ours, other])
    both.defer(async () => {
      process.kill(pid, "SIGCONT");
      await shell.run(
        "sudo pkill -f '[/]fio/fio'; while pgrep -f '[/]fio/fio' > /dev/null; do sleep 0.1; done",
      );
    });
  for (const disk of [ours, other]) await settled(disk);
  const bytes = async ({ qmp, id }: Disk) => (await diskTraffic(qmp)).get(id)?.bytes ?? 0;
  const turn = (disk: Disk) => async () => {
    process.kill(disk.pid, "SIGCONT");
    await sleep(200); // for what the guest has missed
    const [from, start] = [await bytes(disk), performance.now()];
    await sleep(1000);
    const [to, end] = [await bytes(disk), performance.now()];
    process.kill(disk.pid, "SIGSTOP");
    return (to - from) / (isRandom(job) ? 4096 : 1024 ** 2) / ((end - start) / 1000);
  };
  for (const disk of [ours, other]) {
    disk.shell.open(inFio(disk.id, job, 24 * 60 * 60));
    const before = await bytes(disk);
    const begun = () => bytes(disk).then((now) => now > before);
    if (!(await until(begun, (yes) => yes))) throw new Error(`fio does nothing with ${disk.id}`);
  }
  for (const { pid } of [ours, other]) process.kill(pid, "SIGSTOP");
  await comparePairs(name, unitOf(job), { ours: turn(ours), bare: turn(other) }, 5 * pairs);
}

async function compare(name: string, job: Job, ours: Disk, other: Disk, than = "bare"): Promise<void> {
  await pause(name);
  await comparePairs(
    name,
    unitOf(job),
    { ours: () => fio(ours, job), bare: () => fio(other, job) },
    pairs,
    than,
  );
}

function nameOf(job: Job): string {
  return `${isRandom(job) ? "4" : "128"} KiB ${job.rw}, ${job.depth} at once`;
}
function unitOf(job: Job): string {
  return isRandom(job) ? "requests/s" : "MiB/s";
}

/** Requests or MiB in a second, as `unitOf` says, within the first 256 MiB. */
async function fio({ shell, id }: Disk, job: Job): Promise<number> {
  const said = await shell.run(inFio(id, job, job.seconds ?? Number(values.seconds)));
  const {
    jobs: [told],
  } = JSON.parse(said) as { jobs: [Record<"read" | "write", { iops: number }>] };
  return (told.read.iops + told.write.iops) / (isRandom(job) ? 1 : 8);
}

/** So that all that is read or written has its place in the file. */
async function filled({ shell, id }: Pick<Disk, "shell" | "id">): Promise<void> {
  await shell.run(fioLine(id, ["--rw=write", "--bs=1m", "--iodepth=4"]));
}

function inFio(id: string, job: Job, seconds: number): string {
  const size = isRandom(job) ? "4k" : "128k";
  const time = ["--time_based", `--runtime=${seconds}`, "--ramp_time=1"];
  return fioLine(id, [`--rw=${job.rw}`, `--bs=${size}`, `--iodepth=${job.depth}`, ...time]);
}

function fioLine(id: string, args: readonly string[]): string {
  const options = ["--ioengine=libaio", "--direct=1", "--thread", "--size=256m", "--output-format=json"];
  const job = ["--name=it", `--filename=${deviceOf(id)}`, ...options, ...args];
  return `sudo /fio/ld.so --library-path /fio /fio/fio ${job.join(" ")}`;
}

/** Milliseconds from when `plug` is begun until the guest has the disk by its name. */
async function appears(shell: GuestShell, id: string, plug: () => Promise<unknown>): Promise<number> {
  const device = deviceOf(id);
  const waiting = shell.open(`echo waiting; until [ -b ${device} ]; do sleep 0.1; done; echo seen`);
  waiting.stderr.pipe(process.stderr);
  const lines = createInterface({ input: waiting.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const start = performance.now();
  await plug();
  await lines.next();
  return performance.now() - start;
}

async function startBare(): Promise<Guest> {
  const image = findBaked(process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir, readRecipe(defaultRecipe));
  if (!image) throw new Error("no baked image: start a region first");
  const key = join(dir, "bare-key");
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const instanceId = "i-0123456789abcdef0";
  const metadata = { instanceId, publicKey: await readFile(`${key}.pub`, "utf8") };
  const network = undo.use(await bareNetwork(`croft-guest-disk-${process.pid}`, metadata));
  const disk = join(dir, "bare.qcow2");
  await makeDisk(disk, image);
  const at = join(dir, "machine");
  const machine = undo.use(
    await startBareMachine({ dir: at, network, instanceId, disk, image, boot: "kernel", key }),
  );
  await machine.ssh("true");
  const { address, namespace } = network;
  const shell = await guestShell(address, key, { user: image.loginUser, namespace });
  const qmp = await Qmp.connect(socketPath(at, "qmp-backup"), AbortSignal.timeout(10_000));
  undo.defer(() => qmp.close());
  await appears(shell, "vol-bare-fio", () =>
    plugBareFile("vol-bare-fio", { filename: fioDisk, bus: "slot1", qmp }),
  );
  await takeFio(shell, "vol-bare-fio");
  return { shell, qmp, pid: machine.pid };
}

async function plugBare(id: string, encrypted: boolean): Promise<Disk> {
  const filename = await makeBareFile(id, encrypted);
  await appears(bare.shell, id, () => plugBareFile(id, { filename, encrypted }));
  return { ...bare, id };
}

async function makeBareFile(id: string, encrypted: boolean): Promise<string> {
  const path = join(dir, `${id}.qcow2`);
  const luks = ["--object", "secret,id=key,data=secret", "-o", "encrypt.format=luks,encrypt.key-secret=key"];
  await run("qemu-img", ["create", "-q", "-f", "qcow2", ...(encrypted ? luks : []), path, "64G"]);
  return path;
}

interface BareFile {
  readonly filename: string;
  readonly encrypted?: boolean;
  readonly bus?: string;
  readonly qmp?: Qmp;
}

/** With the options of the driver's nodes, but nothing between the device and the file. */
async function plugBareFile(
  id: string,
  { filename, encrypted = false, bus = "slot0", qmp = bare.qmp }: BareFile,
): Promise<void> {
  if (encrypted) await qmp.execute("object-add", { "qom-type": "secret", id: "key", data: "secret" });
  await qmp.execute("blockdev-add", {
    driver: "qcow2",
    "node-name": id,
    discard: "unmap",
    file: { driver: "file", filename, discard: "unmap" },
    ...(encrypted && { encrypt: { format: "luks", "key-secret": "key" } }),
  });
  const serial = id.replaceAll("-", "");
  const errors = { werror: "stop", rerror: "report" };
  await qmp.execute("device_add", {
    driver: "virtio-blk-pci",
    id,
    drive: id,
    bus,
    serial,
    ...errors,
  });
}

async function unplugBare(id: string): Promise<void> {
  const { qmp } = bare;
  await qmp.execute("device_del", { id });
  const isFree = () =>
    qmp.execute("blockdev-del", { "node-name": id }).then(
      () => true,
      () => false,
    );
  if (!(await until(isFree, (free) => free))) throw new Error(`the bare guest does not let go of ${id}`);
}

/** A disk with this host's, and all the libraries that it is linked to: a guest has no way to fetch it. */
async function diskOfFio(): Promise<string> {
  const [folder, raw, disk] = [join(dir, "fio"), join(dir, "fio.raw"), join(dir, "fio.qcow2")];
  await mkdir(folder);
  const linked = await run("ldd", ["/usr/bin/fio"]);
  const files = [...linked.matchAll(/=> (\/\S+)/g)].map(([, path = ""]) => path);
  for (const path of ["/usr/bin/fio", ...files]) await copyFile(path, join(folder, basename(path)));
  await copyFile(/^\s(\/\S*ld-linux\S*)/m.exec(linked)?.[1] ?? "", join(folder, "ld.so"));
  await run("mke2fs", ["-q", "-t", "ext4", "-d", folder, raw, "1G"], { timeoutMs: 120_000 });
  await run("qemu-img", ["convert", "-O", "qcow2", raw, disk], { timeoutMs: 120_000 });
  return disk;
}

/** Resolves once the guest has been idle for six seconds: an emulated one can be logged in to long before its boot is over. */
async function settled({ shell }: Guest): Promise<void> {
  await shell.run(`
    systemctl is-system-running --wait > /dev/null
    udevadm settle
    idle() { awk '/^cpu /{print $5}' /proc/stat; }
    quiet=0
    for _ in $(seq 50); do
      before=$(idle); sleep 2
      if [ $(($(idle) - before)) -gt 360 ]; then quiet=$((quiet + 1)); else quiet=0; fi
      [ $quiet = 3 ] && exit
    done
    exit 1`);
}

async function takeFio(shell: GuestShell, id: string): Promise<void> {
  await shell.run(`sudo mkdir /fio && sudo mount -o ro ${deviceOf(id)} /fio`);
}
