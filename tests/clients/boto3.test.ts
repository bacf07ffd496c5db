import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { realRegion } from "../real-region.ts";
import { boto3Tests } from "./boto3.ts";

const imports = mkdtempSync(join(tmpdir(), "croft-test-imports-"));
after(() => rmSync(imports, { recursive: true }));
await run("qemu-img", ["create", "-q", "-f", "vmdk", join(imports, "disk.vmdk"), "1G"]);
for (const bucket of ["exports", "endless-exports"]) mkdirSync(join(imports, bucket));
const region = await realRegion({
  more: ["--import-dir", imports, "--export-dir", imports, "--issuer-from", "127.0.0.0/8"],
});
// One import after the other.
await boto3Tests({
  ...region,
  consoleSays: "Linux version",
  diskUrls: ["file:///disk.vmdk", "file:///disk.vmdk"],
});
