import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const croft = join(import.meta.dirname, "..", "src", "cli", "main.ts");

/** A region of fake machines that is kept in `dataDir`, so that its commits are durable. */
export function startCroft(dataDir: string, port: number): Disposable & { cpuMs(): number } {
  const options = [
    "--machines",
    "fake",
    "--data-dir",
    dataDir,
    "--port",
    String(port),
    "--access-key",
    "test:test",
  ];
  const aliases = ["--image-alias", "ami-*=debian-12"];
  const child = spawn(process.execPath, [croft, "start", ...options, ...aliases], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return {
    [Symbol.dispose]: () => void child.kill(),
    /** User and system time of all its threads; proc(5) counts hundredths of a second. */
    cpuMs() {
      const [user, system] =
        readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ").slice(11, 13) ?? [];
      return (Number(user) + Number(system)) * 10;
    },
  };
}
