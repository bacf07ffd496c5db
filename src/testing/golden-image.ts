import type { TestContext } from "node:test";
import { testRegion, type TestRegionOptions } from "./region.ts";

/** A region with an image, of two snapshots with tags, a blank device and an instance store, that the account registered. */
export async function regionWithGolden(t: Pick<TestContext, "after">, options: TestRegionOptions = {}) {
  const region = await testRegion(t, options);
  const { client, records, disks } = region;
  const tagged = (ResourceType: "snapshot" | "image", Key: string) => [
    { ResourceType, Tags: [{ Key, Value: "kept" }] },
  ];
  const snapshotOf = async (Size: number) => {
    const { VolumeId = "" } = await client.createVolume({ AvailabilityZone: "eu-central-1a", Size });
    await region.until(() => records.get("volume", VolumeId)?.so.ready !== undefined);
    disks.write(VolumeId, `${Size} GiB`);
    const { SnapshotId = "" } = await client.createSnapshot({
      VolumeId,
      Description: `of ${Size} GiB`,
      TagSpecifications: tagged("snapshot", "s"),
    });
    await region.until(() => records.get("snapshot", SnapshotId)?.so.completedAt !== undefined);
    return SnapshotId;
  };
  const snapshots = [await snapshotOf(1), await snapshotOf(2)];
  const { ImageId = "" } = await client.registerImage({
    Name: "golden",
    Description: "of old",
    Architecture: "x86_64",
    VirtualizationType: "hvm",
    BootMode: "uefi",
    ImdsSupport: "v2.0",
    EnaSupport: true,
    RootDeviceName: "/dev/sda1",
    BlockDeviceMappings: [
      { DeviceName: "/dev/sda1", Ebs: { SnapshotId: snapshots[0], VolumeSize: 4, VolumeType: "gp2" } },
      {
        DeviceName: "/dev/sdf",
        Ebs: { SnapshotId: snapshots[1], VolumeType: "io1", Iops: 150, VolumeSize: 8 },
      },
      { DeviceName: "/dev/sdg", Ebs: { VolumeSize: 3, VolumeType: "gp3", DeleteOnTermination: false } },
      { DeviceName: "/dev/sdh", VirtualName: "ephemeral0" },
    ],
    TagSpecifications: tagged("image", "i"),
  });
  return { ...region, snapshots, ImageId };
}
