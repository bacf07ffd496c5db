import { join } from "node:path";
import type { AuditSink } from "#api/audit.ts";
import { boundedFile } from "./log-file.ts";

/** `audit.log` of a directory: the calls of the API, one JSON object a line, in five files of 10 MiB. */
export const auditFile = (logDir: string): AuditSink => boundedFile(join(logDir, "audit.log"), { kept: 5 });
