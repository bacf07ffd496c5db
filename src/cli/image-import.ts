import { basename } from "node:path";
import type { BootModeValues } from "@aws-sdk/client-ec2";
import { layout } from "#config.ts";
import { type Architecture, architectures } from "#images/architecture.ts";
import { newId } from "#services/ec2/chance.ts";
import { importedSnapshotId, recordImportedImage } from "#services/ec2/image/imported-image.ts";
import { importedSnapshot } from "#services/ec2/import-task/import-task-reconciler.ts";
import { recordKey } from "#services/ec2/records.ts";
import { ownHostId } from "#services/host/host-id.ts";
import { packagesFor } from "#setup/debian-packages.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { setUpPackages } from "#setup/set-up-packages.ts";
import { Refusal, onlyArgument, readOptions, requireRoot, type Command } from "./command.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { encryptedByDefault } from "./encrypted-by-default.ts";
import { checkedImport, completed, importDisk, importOptions, importUsage, oneOf } from "./import-disk.ts";
import { jsonOption, jsonUsage, printId } from "./json.ts";
import { requireRunning } from "./running-region.ts";

const options = {
  ...dataDirOption,
  ...jsonOption,
  name: { type: "string" },
  description: { type: "string", default: "" },
  ...importOptions,
  architecture: { type: "string", default: "x86_64" },
  "boot-mode": { type: "string" },
} as const;

const bootModes = ["legacy-bios", "uefi", "uefi-preferred"] as const satisfies readonly BootModeValues[];
const architectureNames = Object.keys(architectures) as Architecture[];

export const command: Command = {
  usage: `image import [options] FILE|URL

Makes an image of the region, owned by its account, of a disk that boots by itself: one file that this host has, or
that http or https serves. Its bytes are handled in a jail and converted. Prints the image's id. The region is to be running.
If the account encrypts by default it is made of an encrypted snapshot, which stays when the image is removed.

  --name NAME        what DescribeImages calls it (the file's name and the time)
  --description TEXT
  --architecture A   ${architectureNames.join(", ")} (x86_64)
  --boot-mode MODE   ${bootModes.join(", ")} (as the instance type does by default: legacy-bios)
${importUsage}
${jsonUsage}
${dataDirUsage}`,
  options,
  async run(args) {
    const { values, positionals } = readOptions(args, options, { positionals: true });
    const source = onlyArgument(positionals, "which disk? croft image import FILE|URL");
    const dataDir = readDataDir(values["data-dir"]);
    const scope = requireSettings(dataDir);
    const name = checkedName(values.name ?? defaultName(source));
    const disk = checkedImport(values);
    const architecture = oneOf("--architecture", architectureNames, values.architecture) ?? "x86_64";
    const bootMode =
      oneOf("--boot-mode", bootModes, values["boot-mode"]) ?? (architecture === "arm64" ? "uefi" : undefined);
    if (architecture === "arm64" && bootMode === "legacy-bios")
      throw new Refusal("a machine for arm64 has no BIOS: it boots by UEFI");
    if (scope.machines === "fake") throw new Refusal("a region of fake machines makes nothing of a disk");
    requireRoot("to handle the disk as a user that may do nothing else");
    requireRunning(dataDir);
    await setUpPackages(packagesFor[architecture], values);

    const id = newId("ami");
    const facts = {
      id,
      name,
      description: values.description,
      architecture,
      ...(bootMode && { bootMode }),
    };
    await importDisk(source, disk, dataDir, async (store, importAs) => {
      const snapshotId = importedSnapshotId(facts);
      const encrypted = await encryptedByDefault(snapshotId, store, dataDir);
      const hostId = ownHostId(layout(dataDir).hostId);
      await importAs(encrypted ? snapshotId : id, encrypted?.secret, ({ sizeGiB }) => {
        const now = new Date();
        const snapshot = encrypted && {
          ...importedSnapshot(snapshotId, sizeGiB, hostId, now),
          encryption: encrypted.encryption,
        };
        return recordImportedImage({ ...facts, sizeGiB }, scope, store, now, snapshot);
      });
      if (encrypted) await completed(recordKey("snapshot", scope, snapshotId), store);
    });
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
