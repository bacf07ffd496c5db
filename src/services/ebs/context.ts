import { createHmac } from "node:crypto";
import type { BlockWriter, SnapshotReader } from "#drivers/disk/disk-driver.ts";
import type { Ec2Context } from "../ec2/context.ts";

/** What an operation of EBS's direct APIs is given beside its input: EC2 has the records of snapshots, their host the bytes. */
export interface EbsContext extends Ec2Context {
  readonly snapshots: SnapshotReader & BlockWriter;
  /** What block tokens are signed with. */
  readonly tokenKey: Buffer;
}

export const blockTokenKey = (sealingKey: Buffer): Buffer =>
  createHmac("sha256", sealingKey).update("EBS block tokens").digest();
