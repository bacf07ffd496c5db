import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { EBS } from "@aws-sdk/client-ebs";
import { waitUntilSnapshotCompleted, waitUntilVolumeAvailable } from "@aws-sdk/client-ec2";
import { realRegion } from "../real-region.ts";
import { killPrograms, patiently } from "./killed-programs.ts";

const region = await realRegion();
const { client: ec2 } = region;
const { AWS_REGION = "", AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" } = region.environment;
const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
const ebs = new EBS({ endpoint: region.endpoint, region: AWS_REGION, credentials });
const patience = { client: ec2, maxWaitTime: 240, minDelay: 1, maxDelay: 2 };

test("blocks that were acknowledged are in the snapshot, whatever is killed, and in a volume made of it", async () => {
  const started = { VolumeSize: 1, ClientToken: "once" };
  const { SnapshotId = "", BlockSize = 0 } = await ebs.startSnapshot(started);
  const blocks = new Map([0, 1, 7, 700, 2047].map((n) => [n, Buffer.alloc(BlockSize, `block ${n} `)]));
  for (const [BlockIndex, BlockData] of blocks) {
    await patiently(() =>
      ebs.putSnapshotBlock({
        SnapshotId,
        BlockIndex,
        BlockData,
        DataLength: BlockSize,
        ChecksumAlgorithm: "SHA256",
        Checksum: digest(BlockData).toString("base64"),
      }),
    );
    await killPrograms(region);
  }
  assert.equal((await patiently(() => ebs.startSnapshot(started))).SnapshotId, SnapshotId);
  await patiently(() =>
    ebs.completeSnapshot({
      SnapshotId,
      ChangedBlocksCount: blocks.size,
      Checksum: digest(Buffer.concat([...blocks.values()].map(digest))).toString("base64"),
      ChecksumAlgorithm: "SHA256",
      ChecksumAggregationMethod: "LINEAR",
    }),
  );
  await killPrograms(region);
  await patiently(() => waitUntilSnapshotCompleted(patience, { SnapshotIds: [SnapshotId] }));
  const zone = `${AWS_REGION}a`;
  const { VolumeId = "" } = await patiently(() => ec2.createVolume({ AvailabilityZone: zone, SnapshotId }));
  await patiently(() => waitUntilVolumeAvailable(patience, { VolumeIds: [VolumeId] }));
  const { SnapshotId: ofVolume = "" } = await ec2.createSnapshot({ VolumeId });
  await waitUntilSnapshotCompleted(patience, { SnapshotIds: [ofVolume] });
  for (const id of [SnapshotId, ofVolume]) {
    const { Blocks = [] } = await ebs.listSnapshotBlocks({ SnapshotId: id });
    assert.deepEqual(
      Blocks.map((it) => it.BlockIndex),
      [...blocks.keys()],
    );
    for (const { BlockIndex = 0, BlockToken } of Blocks) {
      const { BlockData } = await ebs.getSnapshotBlock({ SnapshotId: id, BlockIndex, BlockToken });
      const bytes = Buffer.from((await BlockData?.transformToByteArray()) ?? []);
      assert.ok(blocks.get(BlockIndex)?.equals(bytes), `block ${BlockIndex} of ${id}`);
    }
  }
});

const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest();
