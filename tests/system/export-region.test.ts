import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";
import { killPrograms, patiently } from "./killed-programs.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-export-region-"));
after(() => rmSync(scratch, { recursive: true }));
const bucket = join(scratch, "mine");
mkdirSync(bucket);
const disk = Buffer.alloc(16 * 1024 ** 2);
randomFillSync(disk, 1024 ** 2, 8 * 1024 ** 2).writeUInt16LE(0xaa55, 510);
writeFileSync(join(bucket, "disk.raw"), disk);
const region = await realRegion({ more: ["--export-dir", scratch] });
const { client: ec2 } = region;

/** Whether the object has the disk's bytes, and zeros after them. */
const isTheDisk = (key: string) =>
  run("qemu-img", ["compare", "-f", "raw", "-F", "raw", join(bucket, key), join(bucket, "disk.raw")]);

/** Every program is killed while it goes on. */
async function exported(ImageId: string): Promise<string> {
  const S3ExportLocation = { S3Bucket: "mine", S3Prefix: "vm/" };
  const asked = { ImageId, S3ExportLocation, DiskImageFormat: "RAW", ClientToken: ImageId } as const;
  const { ExportImageTaskId: id = "" } = await patiently(() => ec2.exportImage(asked));
  await killPrograms(region);
  const over = await until(
    () => patiently(() => ec2.describeExportImageTasks({ ExportImageTaskIds: [id] })),
    (it) => it.ExportImageTasks?.[0]?.Status !== "active",
  );
  assert.equal(over.ExportImageTasks?.[0]?.Status, "completed", JSON.stringify(over.ExportImageTasks));
  return `vm/${id}.raw`;
}

test(
  "a disk goes from a bucket into an image, out again, and by way of a stored image into another, whatever is killed",
  { timeout: 600_000 },
  async () => {
    const DiskContainers = [{ UserBucket: { S3Bucket: "mine", S3Key: "disk.raw" }, Format: "RAW" }];
    const { ImportTaskId = "" } = await ec2.importImage({ DiskContainers });
    const imported = await until(
      () => patiently(() => ec2.describeImportImageTasks({ ImportTaskIds: [ImportTaskId] })),
      (it) => it.ImportImageTasks?.[0]?.Status !== "active",
    );
    const { ImageId = "" } = imported.ImportImageTasks?.[0] ?? {};
    await isTheDisk(await exported(ImageId));

    const { ObjectKey } = await patiently(() => ec2.createStoreImageTask({ ImageId, Bucket: "mine" }));
    await killPrograms(region);
    await until(
      () => patiently(() => ec2.describeStoreImageTasks({ ImageIds: [ImageId] })),
      ({ StoreImageTaskResults: tasks = [] }) => tasks.every((task) => task.StoreTaskState === "Completed"),
    );
    const { ImageId: restored = "" } = await patiently(() =>
      ec2.createRestoreImageTask({ Bucket: "mine", ObjectKey, Name: "restored" }),
    );
    await killPrograms(region);
    const { Images: [image] = [] } = await until(
      () => patiently(() => ec2.describeImages({ ImageIds: [restored] })),
      (it) => it.Images?.[0]?.State !== "pending",
    );
    assert.equal(image?.State, "available", JSON.stringify(image?.StateReason));
    await isTheDisk(await exported(restored));
    assert.deepEqual(
      readdirSync(bucket).toSorted(),
      ["disk.raw", ObjectKey ?? "", "vm"].toSorted(),
      "nothing is left half",
    );
    assert.equal(readdirSync(join(bucket, "vm")).length, 2);
  },
);
