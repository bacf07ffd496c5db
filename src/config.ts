import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { checkout } from "#checkout.ts";

/** What the operator chose when the region was made; kept in `DIR/region.json` and the same at every later start. */
export interface RegionSettings {
  /** Twelve digits. */
  readonly accountId: string;
  readonly region: string;
  /** TCP port of the API. */
  readonly port: number;
  /** IP address that the API listens on, by default 127.0.0.1; on any but loopback it speaks TLS. */
  readonly listen?: string;
  /** Absolute paths of a certificate chain and its key, in PEM, instead of one by the region's own authority. */
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** The addresses `ssh` and `curl` reach instances by, routed from this host only. */
  readonly publicPool: string;
  /** "fake": no machine runs and no packet flows. */
  readonly machines: "qemu" | "fake";
  /** The first whose pattern fits an image id that the region does not have stands for it. */
  readonly imageAliases: readonly ImageAlias[];
  /** Calls are limited as on AWS, to try how a program takes it. */
  readonly throttled: boolean;
  /** Whether instances with a public address reach the internet through this host; by default they do. */
  readonly outbound?: boolean;
  /** Networks beside it that they reach though they are private, or this host's; never the host itself. */
  readonly outboundTo?: readonly string[];
  /** Absolute path of the directory whose files imports by the API may read; absent: no file of this host. */
  readonly importDir?: string;
  /** Absolute path of the directory whose folders are the buckets that images are exported to, and read from; absent: there is none. */
  readonly exportDir?: string;
  /** Networks (CIDR) beside the internet that imports by the API may fetch from. */
  readonly importFrom?: readonly string[];
  /** Networks (CIDR) beside the internet in which OIDC providers may be that the API asks for their keys. */
  readonly issuerFrom?: readonly string[];
  readonly capacity: CapacitySettings;
  /** Whether AWS's names lead instances to the real AWS, but those of what the region serves; by default they do not. */
  readonly realAws?: boolean;
  /** Absolute path of the key that secrets are sealed with, when it is not kept in the data directory. */
  readonly masterKeyFile?: string;
}

/** How much of the host instances may have. Processors may be promised any number of times. */
export interface CapacitySettings {
  /** What the host keeps for itself. */
  readonly keptMemoryMiB: number;
  /** The rest is promised this many times over: above 1, guests that use all of theirs run the host out of memory. */
  readonly memoryOvercommit: number;
  /** Nothing is launched while the data directory's disk has less room than this. Absent in settings of earlier versions. */
  readonly keptDiskMiB?: number;
}

/** What stands in for image ids that people's templates hold. */
export interface ImageAlias {
  /** `*` and `?` are wildcards. */
  readonly ids: string;
  /** An image's id or name; or that of its recipe, with or without `-amd64`: then the newest. */
  readonly image: string;
}

/** The recipes Croft provides, and that of the image that every region offers. */
export const recipesDir = join(checkout, "images");
export const defaultRecipe = join(recipesDir, "debian-12");

export const defaults = {
  dataDir: "/var/lib/croft",
  /** Baked images, shared by the regions of this machine. */
  cacheDir: "/var/cache/croft",
  accountId: "000000000000",
  region: "us-east-1",
  /** The port awslocal, tflocal and cdklocal use. */
  port: 4566,
  capacity: { keptMemoryMiB: 2048, memoryOvercommit: 1 },
  keptDiskMiB: 1024,
  /** RFC 2544's range, which no network routes; the next when this host already routes it. */
  publicPools: ["198.18.0.0/16", "198.19.0.0/16", "100.127.0.0/16", "10.127.0.0/16"],
} as const;

/** Where each thing of a region is kept. */
export const layout = (dataDir: string) => {
  const dir = resolve(dataDir);
  const runDir = dir === defaults.dataDir ? "/run/croft" : join(dir, "run");
  return {
    dir,
    settings: join(dir, "region.json"),
    /** 0600: the account's access key, its secret sealed with the master key; `croft env` opens it. */
    credentials: join(dir, "credentials.json"),
    /** 0600: 64 hex digits, unless `masterKeyFile` of the settings names another file. */
    masterKey: join(dir, "master.key"),
    /** The region's own authority, which clients trust, and its API's certificate; keys 0600. */
    tls: {
      dir: join(dir, "tls"),
      config: join(dir, "tls", "openssl.cnf"),
      ca: join(dir, "tls", "ca.pem"),
      caKey: join(dir, "tls", "ca.key"),
      cert: join(dir, "tls", "server.pem"),
      key: join(dir, "tls", "server.key"),
      /** For the names that AWS's services have, by which instances call the API. */
      awsCert: join(dir, "tls", "aws.pem"),
      awsKey: join(dir, "tls", "aws.key"),
    },
    /** What signs the identity documents of instances: 0600, its key sealed with the master key; and its certificate, for all. */
    identity: { sealed: join(dir, "identity.json"), certificate: join(dir, "identity.pem") },
    /** 0600: what IAM's secrets and session tokens are sealed with, itself sealed with the master key. */
    sealingKey: join(dir, "sealing-key.json"),
    /** Which users have copies of the access key, and where. */
    userCopies: join(dir, "user-copies.json"),
    storeDir: join(dir, "store"),
    store: join(dir, "store", "store.sqlite"),
    machinesDir: join(dir, "machines"),
    disksDir: join(dir, "disks"),
    /** Imported images; baked ones are in the cache. */
    imagesDir: join(dir, "images"),
    /** Empty while nothing is exported. */
    exportingDir: join(dir, "exporting"),
    /** What a reboot may take: sockets, and which processes run. */
    runDir,
    /** What the programs said, and the audit of calls. */
    logDir: join(dir, "log"),
    /** In the directory of the program that listens there. */
    storeSocket: join(dir, "store", "socket"),
    /** The name by which this machine is known to its region. */
    hostId: join(dir, "host-id"),
    guestSocket: join(runDir, "guest.sock"),
    /** Where croft-host lets the API read snapshots. */
    snapshotsSocket: join(runDir, "snapshots.sock"),
    /** Where the API listens for instances, whose connections croft-guest hands on; in a directory that the two share. */
    apiSocket: join(runDir, "api", "socket"),
    /** What pasta last complained of. */
    pastaComplaints: join(runDir, "pasta.log"),
  };
};
export type Layout = ReturnType<typeof layout>;

/**
 * Names and numbers of one region on this host, so that several can run side by side and none touches what is not its own.
 * `tag` is four hex digits of the data directory's path; every namespace, link and cgroup is named `croft-TAG…`.
 */
export const hostNames = (dataDir: string) => {
  const tag = createHash("sha256").update(resolve(dataDir)).digest("hex").slice(0, 4);
  // 4,096 user ids per region, above what distributions and containers hand out; no passwd entry is needed or made.
  const uidBase = 0x4000_0000 + Number.parseInt(tag, 16) * 4096;
  return {
    tag,
    prefix: `croft-${tag}`,
    uids: {
      croft: uidBase,
      guest: uidBase + 1,
      pasta: uidBase + 2,
      image: uidBase + 3,
      firstMachine: uidBase + 16,
    },
  };
};

/** Of keys that are on no disk, and go with the host's boot. */
export const storeKeysDir = (dataDir: string): string =>
  join("/dev/shm", `${hostNames(dataDir).prefix}-stores`);
export type HostNames = ReturnType<typeof hostNames>;

/** What a user of this host has of a region, in the home directory. */
export const userFiles = (home: string, dataDir: string) => {
  const dir = join(home, ".croft");
  const { prefix } = hostNames(dataDir);
  return {
    dir,
    /** 0600: the access key. */
    credentials: join(dir, `${prefix}.json`),
    /** Of `croft ssh`. */
    knownHosts: join(dir, `${prefix}.known_hosts`),
  };
};
