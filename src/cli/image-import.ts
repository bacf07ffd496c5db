import { basename } from "node:path";
import type { BootModeValues } from "@aws-sdk/client-ec2";
import { ApiError } from "#api/error.ts";
import { hostNames, layout } from "#config.ts";
import { type Architecture, architectures } from "#images/architecture.ts";
import { diskFormats, type DiskFormat } from "#images/disk-format.ts";
import { importImage } from "#images/import-image.ts";
import { ImportRefused } from "#images/import-refused.ts";
import { newId } from "#services/ec2/chance.ts";
import { recordImportedImage } from "#services/ec2/image/imported-image.ts";
import { packagesFor } from "#setup/debian-packages.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { setUpPackages } from "#setup/set-up-packages.ts";
import { connectStore } from "#store/socket/connect-store.ts";
import { Refusal, interruption, onlyArgument, readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { jsonOption, jsonUsage, printId } from "./json.ts";
import { requireRunning } from "./running-region.ts";
import { progress } from "./terminal.ts";

const options = {
  ...dataDirOption,
  ...jsonOption,
  name: { type: "string" },
  description: { type: "string", default: "" },
  format: { type: "string" },
  architecture: { type: "string", default: "x86_64" },
  "boot-mode": { type: "string" },
  "max-size": { type: "string", default: "64" },
  yes: { type: "boolean", default: false },
} as const;

const bootModes = ["legacy-bios", "uefi", "uefi-preferred"] as const satisfies readonly BootModeValues[];
const architectureNames = Object.keys(architectures) as Architecture[];
const formats = Object.keys(diskFormats) as DiskFormat[];

export const command: Command = {
  usage: `image import [options] FILE|URL

Makes an image of the region, owned by its account, of a disk that boots by itself: one file that this host has, or
that http or https serves. Its bytes are handled in a jail and converted. Prints the image's id. The region is to be running.

  --name NAME        what DescribeImages calls it (the file's name and the time)
  --description TEXT
  --format FORMAT    ${formats.join(", ")} (told by its first bytes)
  --architecture A   ${architectureNames.join(", ")} (x86_64)
  --boot-mode MODE   ${bootModes.join(", ")} (as the instance type does by default: legacy-bios)
  --max-size GIB     most that is read, and most that the disk may take here (64)
  --yes              install missing Debian packages without asking
${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const source = onlyArgument(positionals, "which disk? croft image import FILE|URL");
    const dataDir = readDataDir(values["data-dir"]);
    const scope = requireSettings(dataDir);
    const name = checkedName(values.name ?? defaultName(source));
    const format = oneOf("--format", formats, values.format);
    const architecture = oneOf("--architecture", architectureNames, values.architecture) ?? "x86_64";
    const bootMode =
      oneOf("--boot-mode", bootModes, values["boot-mode"]) ?? (architecture === "arm64" ? "uefi" : undefined);
    if (architecture === "arm64" && bootMode === "legacy-bios")
      throw new Refusal("a machine for arm64 has no BIOS: it boots by UEFI");
    const maxBytes = bytesOf(values["max-size"]);
    if (scope.machines === "fake") throw new Refusal("a region of fake machines makes nothing of a disk");
    requireRoot("to handle the disk as a user that may do nothing else");
    requireRunning(dataDir);
    await setUpPackages(packagesFor[architecture], values);

    const id = newId("ami");
    const facts = { id, name, description: values.description, architecture } as const;
    const uid = hostNames(dataDir).uids.image;
    const interrupted = interruption();
    const shown = progress(`importing ${name}`);
    const store = connectStore(layout(dataDir).storeSocket);
    try {
      await importImage(
        layout(dataDir).imagesDir,
        {
          source,
          id,
          uid,
          maxBytes,
          progress: shown.show,
          signal: interrupted,
          ...(format && { format }),
        },
        ({ sizeGiB }) =>
          recordImportedImage({ ...facts, sizeGiB, ...(bootMode && { bootMode }) }, scope, store, new Date()),
      );
    } catch (error) {
      throw interrupted.aborted ? new Refusal("interrupted: nothing is imported", 1) : refusal(source, error);
    } finally {
      shown.end();
      await store.close();
    }
    printId(values.json, id);
    return 0;
  },
};

const checkedName = (name: string): string => {
  if (!/^[\w()[\] ./'@-]{3,128}$/.test(name))
    throw new Refusal(
      `--name has 3 to 128 letters, digits, spaces and ( ) [ ] . / - ' @ _, and is not "${name}"`,
    );
  return name;
};

const defaultName = (source: string): string => {
  const file = basename(URL.parse(source)?.pathname ?? source).replaceAll(/[^\w.-]/g, "-");
  return `${file.slice(0, 100)}-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}`;
};

const oneOf = <Value extends string>(
  option: string,
  known: readonly Value[],
  given: string | undefined,
): Value | undefined => {
  const found = known.find((it) => it === given);
  if (given !== undefined && found === undefined)
    throw new Refusal(`${option} is one of ${known.join(", ")}, not "${given}"`);
  return found;
};

const bytesOf = (gib: string): number => {
  if (!/^\d{1,5}$/.test(gib) || gib === "0") throw new Refusal(`--max-size is a number of GiB, not "${gib}"`);
  return Number(gib) * 1024 ** 3;
};

const refusal = (source: string, error: unknown): unknown => {
  if (error instanceof ImportRefused) return new Refusal(`${source} is not imported: ${error.message}`, 1);
  if (error instanceof ApiError) return new Refusal(error.message, 1);
  return error;
};
