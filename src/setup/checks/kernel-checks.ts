import { networkTables } from "#drivers/network/netns/network-rules.ts";
import { ok, refusal, warning, type Check, type Finding } from "./check.ts";

/** What is found by reading alone, also before any package is installed. */
export const kernelReadings: readonly Check[] = [
  {
    name: "kernel",
    look({ platform, read }) {
      if (platform !== "linux")
        return refusal(
          `machines need Linux, and this is ${platform}`,
          "start the region in a Debian machine, virtual or not",
        );
      const release = (read("/proc/sys/kernel/osrelease") ?? "").trim();
      if (release.endsWith("-Microsoft"))
        return refusal("this is WSL 1, which is no Linux kernel", "wsl --set-version DISTRIBUTION 2");
      const [major = 0, minor = 0] = release.split(".").map(Number.parseFloat);
      if (major < 5 || (major === 5 && minor < 11))
        return refusal(
          `machines need Linux 5.11 or later, and this is ${release}`,
          "upgrade the distribution",
        );
      if (/microsoft/i.test(release))
        return warning(
          "this is WSL 2: Windows reaches the API at localhost, but no instance's address",
          "run ssh, curl and browsers in here",
        );
      return ok(`Linux ${release}`);
    },
  },
  {
    name: "user ids",
    look: ({ read }) =>
      /^\s*0\s+0\s+4294967295\s*$/.test(read("/proc/self/uid_map") ?? "")
        ? ok("all of this host's, so that each machine can have its own")
        : refusal(
            "this is a container with user ids of its own, in which no machine can be given one, nor a device",
            privileged,
          ),
  },
  {
    name: "capabilities",
    after: ["user ids"],
    look({ read }) {
      const effective = BigInt(
        `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(read("/proc/self/status") ?? "")?.[1] ?? "0"}`,
      );
      const missing = Object.entries(neededCapabilities).filter(
        ([, bit]) => (effective & (1n << BigInt(bit))) === 0n,
      );
      return missing.length === 0
        ? ok("all that namespaces, networks and jails need")
        : refusal(`root is without ${missing.map(([name]) => name).join(", ")} here`, privileged);
    },
  },
  {
    name: "seccomp",
    look: ({ read }) =>
      /\bkill_process\b/.test(read("/proc/sys/kernel/seccomp/actions_avail") ?? "")
        ? ok("machines run under a system-call filter")
        : refusal(
            "this kernel filters no system calls, and no machine runs here without that",
            "use a kernel with CONFIG_SECCOMP_FILTER, as Debian's has",
          ),
  },
  {
    name: "IPv6",
    look: ({ read }) =>
      read("/proc/sys/net/ipv6/conf/all/disable_ipv6") === undefined
        ? ok("this kernel has none; a region needs it only to --listen on such an address")
        : ok("kept out of the region's networks, which have none yet"),
  },
  {
    name: "KVM",
    look({ read, stat }) {
      const emulated = "machines are emulated, and slower for it, since ";
      if (!/^flags\s*:.*\b(vmx|svm)\b/m.test(read("/proc/cpuinfo") ?? ""))
        return warning(
          `${emulated}the processor offers no virtualization`,
          "switch it on in the firmware or, in a virtual machine or WSL 2, as nested virtualization on its host",
        );
      return stat("/dev/kvm")
        ? ok("the processor has it; croft status says whether a machine ran by it")
        : warning(
            `${emulated}there is no /dev/kvm`,
            "modprobe kvm_intel or kvm_amd; in a container, pass --device /dev/kvm",
          );
    },
  },
];

/** What is found by trying it, in namespaces that end with the trial. They need Debian's iproute2 and nftables. */
export const kernelTrials: readonly Check[] = [
  {
    name: "namespaces",
    after: ["capabilities"],
    look: async ({ trial }) =>
      judged(await trial([...jail, "mount", "-n", "-t", "tmpfs", "croft", "/mnt"]), {
        worked: "root makes namespaces, and mounts in them",
        failed: "root can make no namespaces here, or not mount in them",
        remedy: privileged,
      }),
  },
  {
    name: "veth",
    after: ["namespaces"],
    look: async ({ trial }) =>
      judged(await trial([...inNetwork, "ip", "link", "add", "croft0", "type", "veth"]), {
        worked: "links between namespaces can be made",
        failed: "this kernel joins no namespaces by links",
        remedy: moduleRemedy("veth"),
      }),
  },
  {
    name: "tun",
    after: ["namespaces"],
    async look({ trial, stat }) {
      if (!stat("/dev/net/tun"))
        return refusal(
          "there is no /dev/net/tun, by which machines are connected",
          "modprobe tun; in a container, pass --device /dev/net/tun",
        );
      return judged(
        await trial([...inNetwork, "ip", "tuntap", "add", "dev", "croft0", "mode", "tap", "vnet_hdr"]),
        {
          worked: "machines can be connected",
          failed: "this kernel makes no taps, by which machines are connected",
          remedy: moduleRemedy("tun"),
        },
      );
    },
  },
  {
    name: "policy routing",
    after: ["namespaces"],
    look: async ({ trial }) =>
      judged(await trial([...inNetwork, "ip", "rule", "add", "fwmark", "0/0xffffffff", "unreachable"]), {
        worked: "packets without a mark can be left without a route",
        failed: "this kernel does not route by marks, so a network could not be closed",
        remedy: "use a kernel with CONFIG_IP_MULTIPLE_TABLES, as Debian's has",
      }),
  },
  {
    name: "nftables",
    after: ["namespaces"],
    look: async ({ trial }) =>
      judged(await trial([...inNetwork, "nft", "-f", "-"], inTable("type filter hook forward priority 0")), {
        worked: "rules can be loaded",
        failed: "this kernel loads no nftables rules",
        remedy: moduleRemedy("nf_tables"),
      }),
  },
  {
    name: "connection tracking",
    after: ["nftables"],
    look: async ({ trial }) =>
      judged(
        await trial(
          [...inNetwork, "nft", "-f", "-"],
          inTable(
            "type filter hook forward priority 0",
            "ct state established accept",
            "ct count over 1 drop",
          ),
        ),
        {
          worked: "answers pass where calls did",
          failed: "this kernel keeps no account of connections, so no answer could pass a security group",
          remedy: moduleRemedy("nf_conntrack nft_ct nft_connlimit"),
        },
      ),
  },
  {
    name: "NAT",
    after: ["connection tracking"],
    look: async ({ trial }) =>
      judged(
        await trial(
          [...inNetwork, "nft", "-f", "-"],
          inTable("type nat hook postrouting priority 100", "snat ip to 192.0.2.1"),
        ),
        {
          worked: "instances can have public addresses",
          failed: "this kernel translates no addresses, so no instance could have a public one",
          remedy: moduleRemedy("nft_nat"),
        },
      ),
  },
  {
    name: "rules",
    after: ["NAT"],
    look: async ({ trial }) =>
      judged(await trial([...inNetwork, "nft", "-f", "-"], networkTables), {
        worked: "a network's rules load whole",
        failed: "this kernel does not take the rules of a network",
        remedy: "use a kernel with nftables' modules, as Debian's has",
      }),
  },
  {
    name: "control groups",
    after: ["capabilities"],
    async look({ controlGroupTroubles }) {
      const [trouble] = await controlGroupTroubles();
      return trouble === undefined
        ? ok("machines are limited in memory, processes and processor time")
        : warning(
            `${trouble}; so their memory is not bounded, and CPU credits are counted but not enforced`,
            "mount cgroup2 at /sys/fs/cgroup, writable; a container needs a cgroup namespace of its own",
          );
    },
  },
];

const judged = (
  complaint: string | undefined,
  { worked, failed, remedy }: { worked: string; failed: string; remedy: string },
): Finding => (complaint === undefined ? ok(worked) : refusal(`${failed} (${complaint})`, remedy));

const inTable = (...rules: readonly string[]): string =>
  `table ip croft {\nchain trial {\n${rules.join("\n")}\n}\n}\n`;

const jail = ["unshare", "--net", "--ipc", "--uts", "--mount", "--propagation", "private", "--"] as const;
const inNetwork = ["unshare", "--net", "--"] as const;

const privileged =
  "in a container, start that with --privileged (Docker, Podman) or security.privileged=true (Incus, LXD)";
const moduleRemedy = (modules: string) =>
  `modprobe -a ${modules}, on the host if this is a container; Debian's kernel has them`;

/** Bits of capabilities(7). */
const neededCapabilities = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_FOWNER: 3,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_SETPCAP: 8,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_ADMIN: 21,
  CAP_MKNOD: 27,
} as const;
