import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface Login {
  readonly user: string;
  readonly address: string;
  /** The private key's path. */
  readonly key: string;
}

/**
 * What `command` printed at `address`, as soon as somebody can log in there, on one connection made once. `startIn` may start it in
 * a network namespace. Throws with what ssh says when the login is refused or the command fails.
 */
export const patientSsh = async (
  { user, address, key }: Login,
  command: string,
  startIn: <T>(start: () => T) => T = (start) => start(),
): Promise<string> => {
  const proxy = join(import.meta.dirname, "patient-connect.ts");
  const options = [
    `IdentityFile=${key}`,
    "IdentitiesOnly=yes",
    "BatchMode=yes",
    "LogLevel=ERROR",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    `ProxyCommand=${process.execPath} ${proxy} %h %p`,
  ];
  const args = [...options.flatMap((option) => ["-o", option]), `${user}@${address}`, command];
  const child = startIn(() => spawn("ssh", args, { stdio: ["ignore", "pipe", "pipe"] }));
  let [printed, complained] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complained += text));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`ssh: exit ${String(code)}: ${complained}${printed}`);
  return printed;
};
