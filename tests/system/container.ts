import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "#drivers/linux/commands.ts";
import { packageSources } from "#images/debian-root.ts";
import { until } from "../until.ts";

/** Installs Debian 12 into `root`, without anything but what it cannot be without and `packages`; it trusts whom this host trusts. */
export const makeRoot = async (root: string, packages: readonly string[]): Promise<void> => {
  const sources = await packageSources("bookworm", AbortSignal.timeout(60_000));
  const include = `--include=${["ca-certificates", ...packages].join(",")}`;
  const options = ["--mode=root", "--variant=minbase", include, '--aptopt=Apt::Install-Recommends "false"'];
  await run("mmdebstrap", [...options, "--dpkgopt=force-unsafe-io", "bookworm", root, "-"], {
    input: sources,
    timeoutMs: 30 * 60_000,
  });
  for (const file of ["/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt"])
    copyFileSync(file, join(root, file));
};

/**
 * A container as Docker makes privileged ones: a root, processes, control groups, network, IPC and names of its own, the devices and
 * user ids of this host, and a way out that is no more than a program's of this host.
 */
export interface Container extends AsyncDisposable {
  /** The command that runs `words` in it, as root with the environment of a login. */
  readonly inside: (...words: readonly string[]) => [string, ...string[]];
  /** What that printed. Throws `CommandFailed`. */
  readonly run: (...words: readonly string[]) => Promise<string>;
  /** Resolves when its first process has ended, and all others with it. */
  readonly over: Promise<unknown>;
}

/** `name`: of its namespace and group on this host. `init`: its first process. */
export const startContainer = async (
  name: string,
  root: string,
  init: readonly [string, ...string[]],
): Promise<Container> => {
  await using ending = new AsyncDisposableStack();
  await run("ip", ["netns", "add", name]);
  ending.defer(async () => void (await run("ip", ["netns", "del", name])));
  const network = ["--runas=0:0", "--config-net", "--ipv4-only", `--netns=/run/netns/${name}`];
  const closed = ["-t", "-u", "-T", "-U"].flatMap((direction) => [direction, "none"]);
  const pasta = spawn("pasta", ["--foreground", "--quiet", ...network, ...closed], { stdio: "ignore" });
  ending.defer(() => ended(pasta));

  ending.defer(async () => void (await run("sh", ["-euc", leaving, "sh", name], { timeoutMs: 60_000 })));
  const holder = spawn("sh", ["-euc", entering, "sh", name, furnishing, root, ...init], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  ending.defer(() => ended(holder));
  const over = once(holder, "exit");
  const failed = over.then(([code]) => Promise.reject(new Error(`the container did not start: ${code}`)));
  await Promise.race([once(holder.stdout, "data"), failed]);
  const [first = ""] = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").split(" ");
  const namespaces = ["mount", "net", "pid", "ipc", "uts", "cgroup"].map((kind) => `--${kind}`);
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const login = ["env", "-i", "--chdir=/root", "HOME=/root", path];
  const inside = (...words: readonly string[]): [string, ...string[]] => [
    "nsenter",
    `--target=${first}`,
    ...namespaces,
    "--root",
    "--",
    ...login,
    ...words,
  ];
  const runInside = (...words: readonly string[]) => {
    const [file, ...args] = inside(...words);
    return run(file, args, { timeoutMs: 30 * 60_000 });
  };
  const linked = await until(
    () => runInside("cat", "/proc/net/route"),
    (routes) => routes.split("\n").length > 2,
  );
  if (linked.split("\n").length <= 2) throw new Error("the container has no way out");
  const ends = ending.move();
  return { inside, run: runInside, over, [Symbol.asyncDispose]: () => ends.disposeAsync() };
};

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
};

/** entering NAME FURNISHING ROOT INIT... */
const entering = `
name=$1 furnishing=$2
shift 2
exec unshare --mount --propagation private -- sh -euc '
  mount -t cgroup2 cgroup2 /mnt
  mkdir /mnt/$0
  echo $$ >/mnt/$0/cgroup.procs
  umount /mnt
  exec nsenter --net=/run/netns/$0 unshare --cgroup --ipc --uts --mount --propagation private --pid --fork --kill-child -- \\
    sh -euc "$@"' "$name" "$furnishing" sh "$@"`;

/** furnishing ROOT INIT... */
const furnishing = `
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
mkdir dev/net dev/pts dev/shm
for device in null zero full random urandom tty net/tun kvm; do
  [ -e /dev/$device ] || continue
  : >dev/$device
  mount --bind /dev/$device dev/$device
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t tmpfs -o mode=755 run run
hostname container
shift
pivot_root . .
umount -l .
echo furnished
exec env -i container=croft PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"`;

/** Its groups, when all of its processes are gone. */
const leaving = `
exec unshare --mount --propagation private -- sh -euc '
  mount -t cgroup2 cgroup2 /mnt
  [ -d /mnt/$0 ] || exit 0
  while grep -q "populated 1" /mnt/$0/cgroup.events; do sleep 0.1; done
  find /mnt/$0 -depth -type d -exec rmdir {} +' "$1"`;
