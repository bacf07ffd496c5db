import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { userFiles } from "#config.ts";
import { become, findCommand } from "./become.ts";
import { Refusal } from "./command.ts";
import type { Command } from "./command.ts";
import { dataDirOption, dataDirUsage, takeDataDir } from "./data-dir.ts";
import { callEc2, valuesOf } from "./region-api.ts";

export const command: Command = {
  usage: `ssh [--data-dir DIR] -i KEY [ssh options] INSTANCE [command…]

Logs into the instance (i-…) at its public address, as admin unless -l says otherwise; waits up to a minute for one
that is just starting.

${dataDirUsage}`,
  options: dataDirOption,
  async run(args) {
    const { dataDir, rest } = takeDataDir(args);
    const { options, instanceId, remote } = splitSshArguments(rest);
    const ssh = findCommand("ssh");
    if (!ssh) throw new Refusal("there is no ssh on the PATH: apt install -y openssh-client");
    const [address] = valuesOf(
      "ipAddress",
      await callEc2(dataDir, "DescribeInstances", { "InstanceId.1": instanceId }),
    );
    if (!address) throw new Refusal(`${instanceId} has no public address (is it running?)`, 1);
    // Of an option given twice ssh takes the first: the operator's own.
    return become(ssh, [...options, ...usualOptions(dataDir, instanceId), address, ...remote]);
  },
};

/** What stands before the instance is ssh's, what follows is for the instance's shell. Throws `Refusal`. */
export const splitSshArguments = (args: readonly string[]) => {
  const at = args.findIndex((arg) => /^i-[0-9a-f]{8,17}$/.test(arg));
  const instanceId = args[at];
  if (instanceId === undefined) throw new Refusal("which instance? croft ssh -i KEY i-… [command…]");
  return { options: args.slice(0, at), instanceId, remote: args.slice(at + 1) };
};

/** An ordinary user has one of their own. */
const knownHosts = (dataDir: string): string => {
  if (process.getuid?.() === 0) return join(dataDir, "known_hosts");
  const { dir, knownHosts: file } = userFiles(homedir(), dataDir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return file;
};

const usualOptions = (dataDir: string, instanceId: string) =>
  [
    "User=admin",
    // Known by the instance's id: its address is another's tomorrow.
    `HostKeyAlias=${instanceId}`,
    `UserKnownHostsFile=${knownHosts(dataDir)}`,
    "StrictHostKeyChecking=accept-new",
    // An instance that just started refuses until its sshd is up: once a second for a minute.
    "ConnectionAttempts=60",
  ].flatMap((option) => ["-o", option]);
