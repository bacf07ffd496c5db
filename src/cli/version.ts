import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "./checkout.ts";
import type { Command } from "./command.ts";

export const croftVersion = (): string => {
  const { version }: { version: string } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  return version;
};

export const command: Command = {
  usage: "version",
  async run() {
    process.stdout.write(`croft ${croftVersion()} (Node ${process.versions.node})\n`);
    return 0;
  },
};
