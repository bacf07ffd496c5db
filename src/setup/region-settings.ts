import { readFileSync, writeFileSync, renameSync } from "node:fs";
import { isIP } from "node:net";
import { isAbsolute, resolve } from "node:path";
import { Refusal } from "#cli/command.ts";
import { defaults, layout } from "#config.ts";
import type { CapacitySettings, ImageAlias, RegionSettings } from "#config.ts";
import { isNetwork } from "./public-pool.ts";

/** What the command line asks for; what it does not name stays as it was, or is the default. */
export type RegionChoices = {
  readonly [K in keyof Omit<RegionSettings, "capacity">]?: RegionSettings[K] | undefined;
} & { readonly capacity?: Partial<CapacitySettings> };

/** The choices as written on the command line, checked. Throws `Refusal`, naming the option. */
export const readChoices = (options: {
  "account-id"?: string | undefined;
  region?: string | undefined;
  port?: string | undefined;
  "public-pool"?: string | undefined;
  machines?: string | undefined;
  "image-alias"?: readonly string[] | undefined;
  throttle?: string | undefined;
  outbound?: string | undefined;
  "real-aws"?: string | undefined;
  "outbound-to"?: readonly string[] | undefined;
  "import-dir"?: string | undefined;
  "import-from"?: readonly string[] | undefined;
  "issuer-from"?: readonly string[] | undefined;
  "export-dir"?: string | undefined;
  "keep-memory"?: string | undefined;
  "overcommit-memory"?: string | undefined;
  "keep-disk"?: string | undefined;
  "master-key-file"?: string | undefined;
  listen?: string | undefined;
  "tls-cert"?: string | undefined;
  "tls-key"?: string | undefined;
}): RegionChoices => ({
  accountId: checked("--account-id", options["account-id"], (text) => /^\d{12}$/.test(text), "twelve digits"),
  region: checked("--region", options.region, isRegionName, "a name such as eu-central-1"),
  port: number(checked("--port", options.port, isPort, "a number from 1 to 65535")),
  publicPool: checked(
    "--public-pool",
    options["public-pool"],
    (text) => isNetwork(text, 16),
    "a network of 16 addresses or more, such as 198.18.0.0/16",
  ),
  machines: machinesOf(options.machines),
  imageAliases: options["image-alias"]?.map(imageAlias),
  throttled: onOrOff("--throttle", options.throttle),
  realAws: onOrOff("--real-aws", options["real-aws"]),
  outbound: onOrOff("--outbound", options.outbound),
  outboundTo: options["outbound-to"]?.filter((text) => text !== "none").map(networkOf("--outbound-to")),
  importDir: directoryOf("--import-dir", options["import-dir"]),
  importFrom: options["import-from"]?.filter((text) => text !== "none").map(networkOf("--import-from")),
  issuerFrom: options["issuer-from"]?.filter((text) => text !== "none").map(networkOf("--issuer-from")),
  exportDir: directoryOf("--export-dir", options["export-dir"]),
  capacity: capacityOf(options),
  masterKeyFile: checked("--master-key-file", options["master-key-file"], isAbsolute, "an absolute path"),
  listen: checked("--listen", options.listen, (text) => isIP(text) !== 0, "an IP address"),
  tlsCert: checked("--tls-cert", options["tls-cert"], isAbsolute, "an absolute path"),
  tlsKey: checked("--tls-key", options["tls-key"], isAbsolute, "an absolute path"),
});

/**
 * The settings of a region that was made with `kept`, or is new. Account, region and pool are in the names and addresses of
 * everything the region holds, so they stay, and fake machines never become real; where the API is, aliases
 * and where the master key is kept may change.
 */
export const settle = (
  kept: RegionSettings | undefined,
  choices: RegionChoices,
  choosePool: (asked: string | undefined) => string,
): RegionSettings => {
  if (!kept) {
    return {
      accountId: choices.accountId ?? defaults.accountId,
      region: choices.region ?? defaults.region,
      port: choices.port ?? defaults.port,
      publicPool: choosePool(choices.publicPool),
      machines: choices.machines ?? "qemu",
      imageAliases: choices.imageAliases ?? [],
      throttled: choices.throttled ?? false,
      capacity: { ...defaults.capacity, ...choices.capacity },
      ...optional(choices),
    };
  }
  for (const fixed of ["accountId", "region", "publicPool", "machines"] as const) {
    const asked = choices[fixed];
    if (asked !== undefined && asked !== kept[fixed]) {
      throw new Refusal(
        `this data directory holds a region with ${words[fixed]} ${kept[fixed]}, not ${asked}: ` +
          "leave the option out, or choose another --data-dir",
      );
    }
  }
  return {
    ...kept,
    port: choices.port ?? kept.port,
    imageAliases: choices.imageAliases ?? kept.imageAliases,
    throttled: choices.throttled ?? kept.throttled,
    capacity: { ...kept.capacity, ...choices.capacity },
    ...optional(choices),
  };
};

/** Those that were chosen of the settings that need not be. */
const optional = (choices: RegionChoices) =>
  Object.fromEntries(
    optionalNames.flatMap((name) => (choices[name] === undefined ? [] : [[name, choices[name]]])),
  );

const optionalNames = [
  "listen",
  "tlsCert",
  "tlsKey",
  "masterKeyFile",
  "outbound",
  "outboundTo",
  "importDir",
  "importFrom",
  "issuerFrom",
  "exportDir",
  "realAws",
] as const satisfies (keyof RegionSettings)[];

/** Throws `Refusal` for a certificate without its key. */
export const requireWholeTls = ({ tlsCert, tlsKey }: RegionSettings): void => {
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new Refusal("--tls-cert and --tls-key go together");
};

const words = {
  accountId: "the account",
  region: "the name",
  publicPool: "the public addresses",
  machines: "the machines",
} as const;

/** Undefined when there is no region at `dataDir`. */
export const readSettings = (dataDir: string): RegionSettings | undefined => {
  try {
    return {
      machines: "qemu",
      imageAliases: [],
      throttled: false,
      capacity: defaults.capacity,
      ...JSON.parse(readFileSync(layout(dataDir).settings, "utf8")),
    };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
};

/** The settings of the region at `dataDir`. Throws `Refusal` when there is none. */
export const requireSettings = (dataDir: string): RegionSettings => {
  const settings = readSettings(dataDir);
  if (!settings)
    throw new Refusal(
      `there is no region at ${dataDir}: make one with croft start, or name another --data-dir`,
    );
  return settings;
};

export const writeSettings = (dataDir: string, settings: RegionSettings): void => {
  const file = layout(dataDir).settings;
  writeFileSync(`${file}.new`, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o644, flush: true });
  renameSync(`${file}.new`, file);
};

const checked = (
  option: string,
  text: string | undefined,
  accepted: (text: string) => boolean,
  shape: string,
): string | undefined => {
  if (text !== undefined && !accepted(text)) throw new Refusal(`${option} is ${shape}, not "${text}"`);
  return text;
};

const machinesOf = (text: string | undefined): RegionSettings["machines"] | undefined => {
  if (text !== undefined && text !== "qemu" && text !== "fake")
    throw new Refusal(`--machines is qemu or fake, not "${text}"`);
  return text;
};

const onOrOff = (option: string, text: string | undefined): boolean | undefined => {
  const chosen = checked(option, text, (it) => it === "on" || it === "off", "on or off");
  return chosen === undefined ? undefined : chosen === "on";
};

const capacityOf = (options: {
  "keep-memory"?: string | undefined;
  "overcommit-memory"?: string | undefined;
  "keep-disk"?: string | undefined;
}): Partial<CapacitySettings> => {
  const mebibytes = (option: "keep-memory" | "keep-disk", example: number) =>
    number(
      checked(
        `--${option}`,
        options[option],
        (it) => /^\d{1,8}$/.test(it),
        `a number of MiB, such as ${example}`,
      ),
    );
  const keptMemoryMiB = mebibytes("keep-memory", 2048);
  const keptDiskMiB = mebibytes("keep-disk", 1024);
  const memoryOvercommit = number(
    checked(
      "--overcommit-memory",
      options["overcommit-memory"],
      (it) => /^\d(\.\d{1,2})?$/.test(it) && Number(it) > 0,
      "a factor below 10, such as 1.5",
    ),
  );
  return {
    ...(keptMemoryMiB !== undefined && { keptMemoryMiB }),
    ...(memoryOvercommit !== undefined && { memoryOvercommit }),
    ...(keptDiskMiB !== undefined && { keptDiskMiB }),
  };
};

const imageAlias = (text: string): ImageAlias => {
  const [ids = "", image = "", ...more] = text.split("=");
  if (ids === "" || image === "" || more.length > 0)
    throw new Refusal(`--image-alias is IDS=IMAGE, such as 'ami-*=debian-12', not "${text}"`);
  return { ids, image };
};

const networkOf =
  (option: string) =>
  (text: string): string => {
    if (!isNetwork(text, 1))
      throw new Refusal(`${option} is a network such as 192.168.1.0/24, not "${text}"`);
    return text;
  };

/** "": none any more. The directory of the whole host is none. */
const directoryOf = (option: string, text: string | undefined): string | undefined =>
  text === "none"
    ? ""
    : checked(option, text, (it) => isAbsolute(it) && resolve(it) !== "/", "an absolute path");

const isRegionName = (text: string) => text.length <= 32 && /^[a-z]{2}(-[a-z]+)+-\d+$/.test(text);
const isPort = (text: string) => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
