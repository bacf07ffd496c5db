import assert from "node:assert/strict";
import { test } from "node:test";
import { defaults } from "#config.ts";
import { pretendedHost, type PretendedHost } from "#testing/pretended-host.ts";
import { lookAt } from "./check.ts";
import { kernelReadings, kernelTrials } from "./kernel-checks.ts";
import { roomChecks } from "./room-checks.ts";

const checks = [...kernelReadings, ...roomChecks, ...kernelTrials];
const place = { dataDir: "/var/lib/croft", cacheDir: "/var/cache/croft", capacity: defaults.capacity };

/** Of all checks those that are not content: "verdict name: sentence". */
const complaints = async (host: PretendedHost): Promise<string[]> =>
  (await lookAt(checks, pretendedHost(host), place)).flatMap(({ name, verdict, sentence, remedy }) => {
    if (verdict === "ok") return [];
    assert.ok(remedy, `${name} says what to do`);
    return [`${verdict} ${name}: ${sentence}`];
  });

test("on a healthy Debian every check is content", async () => {
  const found = await lookAt(checks, pretendedHost(), place);
  assert.deepEqual(
    found.map(({ name, verdict }) => `${verdict} ${name}`),
    checks.map(({ name }) => `ok ${name}`),
  );
});

const osrelease = (text: string) => ({ files: { "/proc/sys/kernel/osrelease": text } });
const limits = (text: string) => ({ files: { "/proc/self/limits": text } });
const group = "/sys/fs/cgroup/user.slice";

/** One sentence for each thing that may be missing; what could only say the same again is left out. */
const cases: readonly (readonly [what: string, host: PretendedHost, complaints: readonly string[]])[] = [
  ["another system", { platform: "darwin" }, ["refusal kernel: machines need Linux, and this is darwin"]],
  [
    "WSL 1",
    osrelease("4.4.0-19041-Microsoft\n"),
    ["refusal kernel: this is WSL 1, which is no Linux kernel"],
  ],
  [
    "WSL 2",
    osrelease("5.15.167.4-microsoft-standard-WSL2\n"),
    ["warning kernel: this is WSL 2: Windows reaches the API at localhost, but no instance's address"],
  ],
  [
    "an old kernel",
    osrelease("5.10.0-30-amd64\n"),
    ["refusal kernel: machines need Linux 5.11 or later, and this is 5.10.0-30-amd64"],
  ],
  [
    "a user namespace, though all seems allowed in it",
    { files: { "/proc/self/uid_map": "0 100000 65536\n" } },
    [
      "refusal user ids: this is a container with user ids of its own, in which no machine can be given one, nor a device",
    ],
  ],
  [
    "Docker's capabilities",
    { files: { "/proc/self/status": "CapEff:\t00000000a80425fb\n" } },
    ["refusal capabilities: root is without CAP_NET_ADMIN, CAP_SYS_ADMIN here"],
  ],
  [
    "no seccomp",
    { files: { "/proc/sys/kernel/seccomp/actions_avail": undefined } },
    ["refusal seccomp: this kernel filters no system calls, and no machine runs here without that"],
  ],
  ["no IPv6", { files: { "/proc/sys/net/ipv6/conf/all/disable_ipv6": undefined } }, []],
  [
    "no virtualization",
    { files: { "/proc/cpuinfo": "flags\t: fpu sse\n" } },
    ["warning KVM: machines are emulated, and slower for it, since the processor offers no virtualization"],
  ],
  [
    "no /dev/kvm",
    { stats: { "/dev/kvm": undefined } },
    ["warning KVM: machines are emulated, and slower for it, since there is no /dev/kvm"],
  ],
  [
    "mounts that are forbidden",
    { failing: { "mount -n": "mount: /mnt: permission denied." } },
    [
      "refusal namespaces: root can make no namespaces here, or not mount in them (mount: /mnt: permission denied.)",
    ],
  ],
  [
    "no veth",
    { failing: { "type veth": "Error: Unknown device type." } },
    ["refusal veth: this kernel joins no namespaces by links (Error: Unknown device type.)"],
  ],
  [
    "no /dev/net/tun",
    { stats: { "/dev/net/tun": undefined } },
    ["refusal tun: there is no /dev/net/tun, by which machines are connected"],
  ],
  [
    "a /dev/net/tun with nothing behind it",
    { failing: { tuntap: "open: No such device" } },
    ["refusal tun: this kernel makes no taps, by which machines are connected (open: No such device)"],
  ],
  [
    "no policy routing",
    { failing: { "rule add": "RTNETLINK answers: Operation not supported" } },
    [
      "refusal policy routing: this kernel does not route by marks, so a network could not be closed (RTNETLINK answers: Operation not supported)",
    ],
  ],
  [
    "no nftables",
    { failing: { nft: "Unable to initialize Netlink socket: Protocol not supported" } },
    [
      "refusal nftables: this kernel loads no nftables rules (Unable to initialize Netlink socket: Protocol not supported)",
    ],
  ],
  [
    "no connection tracking",
    { failing: { "ct count": "No such file or directory" } },
    [
      "refusal connection tracking: this kernel keeps no account of connections, so no answer could pass a security group (No such file or directory)",
    ],
  ],
  [
    "no NAT",
    { failing: { "snat ip": "No such file or directory" } },
    [
      "refusal NAT: this kernel translates no addresses, so no instance could have a public one (No such file or directory)",
    ],
  ],
  [
    "a rule of ours that the kernel does not know",
    { failing: { "fib daddr": "Operation not supported" } },
    ["refusal rules: this kernel does not take the rules of a network (Operation not supported)"],
  ],
  [
    "no control groups",
    { controlGroupTroubles: ["machines are not limited by control groups under /sys/fs/cgroup: EROFS"] },
    [
      "warning control groups: machines are not limited by control groups under /sys/fs/cgroup: EROFS; so their memory is not bounded, and CPU credits are counted but not enforced",
    ],
  ],
  [
    "fewer files than a machine is given",
    limits("Max open files  256  512  files\n"),
    ["refusal open files: a process may have 512 files open at once, and a machine needs up to 1024"],
  ],
  [
    "few files",
    limits("Max open files  256  1024  files\n"),
    ["warning open files: a process may have 1024 files open at once, which is little for many instances"],
  ],
  [
    "fewer processes than a machine's threads",
    limits("Max processes  100  100  processes\n"),
    ["refusal processes: a user may have 100 processes and threads, and a machine's needs up to 256"],
  ],
  [
    "a control group full of processes, further up",
    { files: { [`${group}/pids.max`]: "200\n", [`${group}/pids.current`]: "150\n" } },
    [
      "refusal processes: the control group this runs in has room for 50 more processes and threads, and Croft's own need 128",
    ],
  ],
  [
    "a control group of version 1 with few processes left",
    {
      files: {
        "/proc/self/cgroup": "8:cpu,pids:/docker/1\n0::/\n",
        "/sys/fs/cgroup/pids/docker/1/pids.max": "300\n",
        "/sys/fs/cgroup/pids/docker/1/pids.current": "10\n",
      },
    },
    [
      "warning processes: the control group this runs in has room for 290 more processes and threads, and a machine takes ten or so",
    ],
  ],
  [
    "little memory",
    { files: { "/proc/meminfo": "MemTotal: 2097152 kB\n" } },
    ["warning memory: of 2048 MiB, instances are promised 0: no t3.nano fits"],
  ],
  [
    "a control group with less memory than is promised",
    { files: { [`${group}/memory.max`]: "4294967296\n" } },
    ["warning memory: the control group this runs in may use 4096 MiB, and instances are promised 13952 MiB"],
  ],
  [
    "full disks",
    { freeBytes: 2 ** 30 },
    [
      "warning data disk: 1.0 GiB are free at /var/lib/croft, where instances' disks grow",
      "warning cache disk: 1.0 GiB are free at /var/cache/croft, where images are baked",
    ],
  ],
];
for (const [what, host, expected] of cases)
  test(`${what}: ${expected.length === 0 ? "nothing is missed" : "said in one sentence"}`, async () => {
    assert.deepEqual(await complaints(host), expected);
  });
