import { join } from "node:path";
import type { AuditSink } from "#api/audit.ts";
import { say } from "../terminal.ts";
import { boundedFile } from "./log-file.ts";

/** `audit.log` of a directory: the calls of the API, one JSON object a line, in five files of 10 MiB. */
export const auditFile = (logDir: string): AuditSink => {
  const file = join(logDir, "audit.log");
  const append = boundedFile(file, { kept: 5 });
  let trouble = "";
  return (lines) => {
    try {
      append(lines);
      trouble = "";
      return true;
    } catch (error) {
      // A full disk, say: the region goes on, and the operator is told once.
      const said = `the audit ${file} cannot be written: ${String(error)}`;
      if (said !== trouble) say(said);
      trouble = said;
      return false;
    }
  };
};
