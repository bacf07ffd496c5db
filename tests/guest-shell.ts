import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import type { Readable } from "node:stream";
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateKeyPairCommand,
  type EC2Client,
} from "@aws-sdk/client-ec2";
import { run } from "#drivers/linux/commands.ts";
import { inNamespace } from "#drivers/linux/namespaces.ts";
import { until } from "./until.ts";

/** A login on an instance by OpenSSH's client. */
export interface GuestShell {
  readonly address: string;
  /** What the guest's `sh` prints when it runs `script`. Throws `CommandFailed` when it ends with another code than 0. */
  run(script: string): Promise<string>;
  /** Runs `script` and leaves it running, its output as it comes. */
  open(script: string): ChildProcessByStdio<null, Readable, Readable>;
}

/**
 * Resolves when the instance lets one in. It is given 3 min, as the machine is emulated and the host may be busy. `namespace`: of the
 * network in which it is at `address`; absent: this process's own.
 */
export const guestShell = async (
  address: string,
  keyFile: string,
  {
    user = "admin",
    patienceMs = 180_000,
    namespace,
  }: { readonly user?: string; readonly patienceMs?: number; readonly namespace?: string } = {},
): Promise<GuestShell> => {
  const as = ["-i", keyFile, ...options, `${user}@${address}`];
  const within = namespace === undefined ? {} : { namespace };
  const shell: GuestShell = {
    address,
    run: (script) => run("ssh", [...as, "sh -s"], { input: script, timeoutMs: 120_000, ...within }),
    open: (script) => {
      const start = () => spawn("ssh", [...as, script], { stdio: ["ignore", "pipe", "pipe"] });
      return namespace === undefined ? start() : inNamespace(namespace, start);
    },
  };
  // A guest that starts refuses for a moment, between its network and its sshd; one that is off says nothing.
  const dialed = await until(
    () => (namespace === undefined ? dial(address, 22, 2_000) : Promise.resolve("connected")),
    (outcome) => outcome === "connected",
    patienceMs,
  );
  const login = await until(
    () => shell.run("true").catch(String),
    (outcome) => outcome === "",
    patienceMs,
  );
  if (login !== "") throw new Error(`nobody can log in at ${address}: ${dialed}, ${login}`);
  return shell;
};

const options = [
  "BatchMode=yes",
  "ConnectTimeout=60",
  "IdentitiesOnly=yes",
  "LogLevel=ERROR",
  // A guest that is shut down under a login leaves it hanging; half a minute is patience enough for one that is only slow.
  "ServerAliveInterval=10",
  "StrictHostKeyChecking=no",
  "UserKnownHostsFile=/dev/null",
].flatMap((option) => ["-o", option]);

export const saveKey = (file: string, material: string): void =>
  writeFileSync(file, material, { mode: 0o600 });

/** Makes a key pair, its private half in `keyFile`, and lets SSH into the default group. */
export const openSsh = async (client: EC2Client, KeyName: string, keyFile: string): Promise<void> => {
  const { KeyMaterial = "" } = await client.send(new CreateKeyPairCommand({ KeyName, KeyType: "ed25519" }));
  saveKey(keyFile, KeyMaterial);
  const ssh = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, CidrIp: "0.0.0.0/0" };
  await client.send(new AuthorizeSecurityGroupIngressCommand({ GroupName: "default", ...ssh }));
};

export type DialOutcome = "connected" | "timeout" | `failed: ${string}`;

/** What becomes of one new connection within `patienceMs`; it is closed again. */
export const dial = async (address: string, port: number, patienceMs: number): Promise<DialOutcome> => {
  const socket = createConnection({ host: address, port });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(patienceMs) });
    return "connected";
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return "timeout";
    return `failed: ${error instanceof Error && "code" in error ? String(error.code) : String(error)}`;
  } finally {
    socket.destroy();
  }
};
