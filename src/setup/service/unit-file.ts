/**
 * The unit that runs a region: one, whose main process is the supervisor of the three programs
 * (docs/decisions/0014-one-unit-runs-a-region.md). `command`: absolute file and arguments; `paths` must be mounted before.
 */
export const unitText = ({
  description,
  command,
  paths,
}: {
  readonly description: string;
  readonly command: readonly string[];
  readonly paths: readonly string[];
}): string => `# Made by croft service install; croft service uninstall removes it.
[Unit]
Description=${escaped(description)}
After=network.target
RequiresMountsFor=${paths.map(quoted).join(" ")}

[Service]
Type=notify
NotifyAccess=all
ExecStart=${command.map(quoted).join(" ")}
# The first start bakes an image.
TimeoutStartSec=infinity
# Only the supervisor is told to stop, and ends its programs. Instances (QEMU) and their way out (pasta) run on, and the next
# start takes them up again.
KillMode=process
TimeoutStopSec=15
Restart=on-failure
RestartSec=5
# What the operator has to mend is not tried again.
RestartPreventExitStatus=2
OOMPolicy=continue
TasksMax=infinity
# No directive that gives the unit mounts of its own (ProtectSystem, PrivateTmp, …): networks are mounts that must outlive it.
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
CapabilityBoundingSet=~${unneededCapabilities.map((name) => `CAP_${name.toUpperCase()}`).join(" ")}

[Install]
WantedBy=multi-user.target
`;

/**
 * The unit that has guests shut down when this host does. It is started by that, so nothing else ever runs or stops it: systemd
 * stops the region's `unit` first, as of two that are ordered it does with the one that is to stop.
 */
export const shutdownUnitText = ({
  description,
  command,
  unit,
}: {
  readonly description: string;
  readonly command: readonly string[];
  readonly unit: string;
}): string => `# Made by croft service install; croft service uninstall removes it.
[Unit]
Description=${escaped(description)}
DefaultDependencies=no
After=${unit}
Before=shutdown.target umount.target final.target

[Service]
Type=oneshot
ExecStart=${command.map(quoted).join(" ")}
TimeoutStartSec=120

[Install]
WantedBy=halt.target poweroff.target reboot.target kexec.target
`;

/** As `setpriv` spells them. */
export const unneededCapabilities = [
  ["audit_control", "audit_read", "block_suspend", "lease", "linux_immutable", "mac_admin", "mac_override"],
  ["sys_boot", "sys_module", "sys_pacct", "sys_rawio", "sys_time", "sys_tty_config", "syslog", "wake_alarm"],
].flat();

/** systemd takes % for a specifier, and in commands $ for a variable. */
const escaped = (text: string): string => text.replaceAll("%", "%%");
const quoted = (word: string): string =>
  /^[\w./=:@,+-]+$/.test(word)
    ? word
    : `"${escaped(word).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("$", "$$$$")}"`;
