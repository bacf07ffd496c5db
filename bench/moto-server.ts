import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const venv = join(homedir(), ".cache", "croft-bench", "moto");

/** moto_server in a Python environment of its own, made when it is missing; undefined, with the reason on stderr, when it cannot be had. */
export function findMoto(): string | undefined {
  const server = join(venv, "bin", "moto_server");
  if (existsSync(server)) return server;
  for (const [command, ...args] of [
    ["python3", "-m", "venv", venv],
    [join(venv, "bin", "pip"), "install", "--quiet", "moto[server]"],
  ] as const) {
    const { status, error } = spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
    if (status === 0) continue;
    console.error(`moto cannot be had: ${command} ${args.join(" ")}: ${error?.message ?? `exit ${status}`}`);
    return undefined;
  }
  return server;
}

export function startMoto(server: string, port: number): Disposable {
  const child = spawn(server, ["--host", "127.0.0.1", "--port", String(port)], { stdio: "ignore" });
  return { [Symbol.dispose]: () => void child.kill() };
}
