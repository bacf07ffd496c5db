import { spawn } from "node:child_process";
import { say } from "../terminal.ts";

/** Tells systemd, if it started this as a service, that the region answers. */
export const tellReady = (api: string): void => {
  if (process.env["NOTIFY_SOCKET"] === undefined) return;
  spawn("systemd-notify", ["--ready", `--status=answering at ${api}`], { stdio: "inherit" }).on(
    "error",
    (error) => say(`systemd cannot be told that the region is ready: ${error.message}`),
  );
};
