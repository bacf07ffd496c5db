import type { Host } from "#setup/checks/host.ts";

export interface PretendedHost {
  /** Texts by path; undefined: not there. What is not named is as on a healthy Debian. */
  readonly files?: Readonly<Record<string, string | undefined>>;
  /** Names by directory. */
  readonly directories?: Readonly<Record<string, readonly string[]>>;
  readonly stats?: Readonly<Record<string, { mode?: number; uid?: number; mtimeMs?: number } | undefined>>;
  /** The complaint of a trial whose command and input hold the text. */
  readonly failing?: Readonly<Record<string, string>>;
  /** What commands print, by the command. */
  readonly prints?: Readonly<Record<string, string>>;
  readonly freeBytes?: number;
  readonly controlGroupTroubles?: readonly string[];
  readonly platform?: NodeJS.Platform;
  readonly now?: Date;
}

/** A Debian host on which all is well, but for what is said. */
export const pretendedHost = (told: PretendedHost = {}): Host => {
  const files = { ...healthy.files, ...told.files };
  const stats = { ...healthy.stats, ...told.stats };
  return {
    platform: told.platform ?? "linux",
    read: (path) => files[path],
    list: (path) => told.directories?.[path] ?? [],
    stat(path) {
      const found = stats[path];
      return found && { mode: 0o600, uid: 0, mtimeMs: 0, ...found };
    },
    freeBytes: () => told.freeBytes ?? 100 * 2 ** 30,
    trial: async (command, input = "") =>
      Object.entries(told.failing ?? {}).find(([text]) =>
        `${command.join(" ")}\n${input}`.includes(text),
      )?.[1],
    printed: async (command) => told.prints?.[command.join(" ")] ?? "",
    controlGroupTroubles: async () => told.controlGroupTroubles ?? [],
    now: () => told.now ?? new Date("2026-06-01T00:00:00Z"),
  };
};

const healthy: { files: Record<string, string | undefined>; stats: NonNullable<PretendedHost["stats"]> } = {
  files: {
    "/proc/sys/kernel/osrelease": "6.1.0-40-amd64\n",
    "/proc/self/uid_map": "         0          0 4294967295\n",
    "/proc/self/status": "Name:\tnode\nCapEff:\t000001ffffffffff\n",
    "/proc/sys/kernel/seccomp/actions_avail":
      "kill_process kill_thread trap errno user_notif trace log allow\n",
    "/proc/sys/net/ipv6/conf/all/disable_ipv6": "0\n",
    "/proc/cpuinfo": "flags\t\t: fpu vmx sse\n",
    "/proc/self/limits": [
      "Limit                     Soft Limit           Hard Limit           Units     ",
      "Max processes             63541                63541                processes ",
      "Max open files            1024                 524288               files     ",
    ].join("\n"),
    "/proc/self/cgroup": "0::/user.slice/session-1.scope\n",
    "/proc/meminfo": "MemTotal:       16384000 kB\nMemFree:         9000000 kB\n",
  },
  stats: { "/dev/kvm": {}, "/dev/net/tun": {} },
};
