import { defaults } from "#config.ts";
import { cacheDirOption, cacheDirUsage, dataDirOption, dataDirUsage } from "./data-dir.ts";
import { readOptions } from "./command.ts";

/** What `croft start` is told. */
export const readStartOptions = (args: readonly string[]) => readOptions(args, startOptions).values;
export type StartValues = ReturnType<typeof readStartOptions>;

/** Of a region with real machines. */
export const regionOptions = {
  ...dataDirOption,
  ...cacheDirOption,
  yes: { type: "boolean" },
  port: { type: "string" },
  "image-alias": { type: "string", multiple: true },
  throttle: { type: "string" },
  "real-aws": { type: "string" },
  outbound: { type: "string" },
  "outbound-to": { type: "string", multiple: true },
  "import-dir": { type: "string" },
  "import-from": { type: "string", multiple: true },
  "issuer-from": { type: "string", multiple: true },
  "export-dir": { type: "string" },
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
} as const;

export const startOptions = {
  ...regionOptions,
  machines: { type: "string" },
  ephemeral: { type: "boolean" },
  "access-key": { type: "string" },
} as const;

/** What `regionOptions` mean. */
export const regionUsage = `  --yes              install missing Debian packages without asking
  --port PORT        the API's port (${defaults.port})
  --listen ADDRESS   the API's address (127.0.0.1); on any but loopback it speaks TLS, with a certificate by the region's
                     own authority, which croft env makes clients trust, or with this one:
  --tls-cert FILE --tls-key FILE
  --outbound on|off  whether instances with a public address reach the internet through this host (on)
  --outbound-to NET  let them reach this private network as well, such as 192.168.1.0/24; may be repeated (none)
  --real-aws on|off  let AWS's names lead instances to the real AWS for what this region does not serve (off)
  --throttle on|off  whether EC2's calls are limited as AWS does (off)
  --image-alias IDS=IMAGE
                     let ids that templates hold stand for an image, such as 'ami-*=debian-12'; may be repeated
  --import-dir DIR   let import-image and import-snapshot read files in here, as file:///NAME, of this host none but those; or none
  --import-from NET  let them fetch from this private network as well, such as 192.168.1.0/24; may be repeated (none)
  --issuer-from NET  let OIDC providers that IAM is told of be in this private network as well; may be repeated (none)
  --export-dir DIR   let images be exported, stored and restored: each folder of this directory is a bucket; or none
  --keep-memory MIB  what this host keeps for itself (${defaults.capacity.keptMemoryMiB}); the rest is promised to instances,
  --overcommit-memory FACTOR
                     this many times over (${defaults.capacity.memoryOvercommit}). Processors are shared by all
  --keep-disk MIB    launch nothing while the data directory's disk has less room than this (${defaults.keptDiskMiB})
  --master-key-file FILE
                     seal secrets with this key (64 hex digits), not with one made in the data directory
${dataDirUsage}
${cacheDirUsage}
for a new region:
  --account-id ID    twelve digits (${defaults.accountId})
  --region NAME      (${defaults.region})
  --public-pool NET  public addresses, routed on this host only (${defaults.publicPools[0]}, or the next that is free)`;
