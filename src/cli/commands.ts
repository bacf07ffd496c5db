import { isRelease } from "#checkout.ts";
import type { CommandTable } from "./command.ts";

/** What needs the project's development packages. */
const developing: CommandTable = {
  test: ["set up what is missing and run every test", () => import("./test.ts")],
  check: ["generated files, format, lint, types, unused code, unit tests", () => import("./check.ts")],
  soak: ["the long tests", () => import("./soak.ts")],
  run: ["run a file of this project with its own Node", () => import("./run.ts")],
};

/** Every word of `croft …`. */
export const commands: CommandTable = {
  start: ["set up what is missing and run the region here", () => import("./start.ts")],
  env: ["print the export lines that point AWS clients at the region", () => import("./env.ts")],
  aws: ["run the aws CLI against the region", () => import("./aws.ts")],
  ssh: ["log into an instance", () => import("./ssh.ts")],
  account: ["make and list the region's accounts", () => import("./account.ts")],
  image: ["bake, list and import images", () => import("./image.ts")],
  snapshot: ["write snapshots into files, and make them of disks", () => import("./snapshot.ts")],
  status: ["what is up, and what is being worked on", () => import("./status.ts")],
  doctor: ["what is not as it should be on this host, and what to do", () => import("./doctor.ts")],
  logs: ["what the programs, or an instance's console, said", () => import("./logs.ts")],
  backup: ["write the running region into a file", () => import("./backup.ts")],
  restore: ["make a region of a backup", () => import("./restore.ts")],
  down: ["stop the region; its instances run on", () => import("./down.ts")],
  service: ["have systemd run the region", () => import("./service.ts")],
  destroy: ["remove the region with all that is in it", () => import("./destroy.ts")],
  ...(isRelease ? {} : developing),
  completion: ["print a shell's completion of these words", () => import("./completion.ts")],
  version: ["print the version", () => import("./version.ts")],
};
