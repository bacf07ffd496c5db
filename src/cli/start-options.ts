import { cacheDirOption, dataDirOption } from "./data-dir.ts";
import { readOptions } from "./command.ts";

/** What `croft start` is told. */
export const readStartOptions = (args: readonly string[]) => readOptions(args, startOptions).values;
export type StartValues = ReturnType<typeof readStartOptions>;

export const startOptions = {
  ...dataDirOption,
  ...cacheDirOption,
  yes: { type: "boolean" },
  port: { type: "string" },
  "image-alias": { type: "string", multiple: true },
  throttle: { type: "string" },
  "real-aws": { type: "string" },
  outbound: { type: "string" },
  "outbound-to": { type: "string", multiple: true },
  "keep-memory": { type: "string" },
  "overcommit-memory": { type: "string" },
  "keep-disk": { type: "string" },
  "account-id": { type: "string" },
  region: { type: "string" },
  "public-pool": { type: "string" },
  "master-key-file": { type: "string" },
  listen: { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  machines: { type: "string" },
  ephemeral: { type: "boolean" },
  "access-key": { type: "string" },
} as const;
