import type { ImageAlias } from "#config.ts";
import type { KmsContext } from "../kms/context.ts";
import type { Ec2Records, Scope } from "./records.ts";

/** What an EC2 operation is given beside its input: who asks, what is there, and time and chance. */
export interface Ec2Context extends Scope {
  readonly records: Ec2Records;
  readonly now: () => Date;
  /** `prefix-` and 17 hex digits. */
  readonly newId: <P extends string>(prefix: P) => `${P}-${string}`;
  /** A whole number from 0 up to, not including, `below`. */
  readonly random: (below: number) => number;
  /** The region of the settings, which may be none of AWS's. */
  readonly homeRegion: string;
  /** CIDR that instances' public addresses come from. */
  readonly publicPool: string;
  /** Whether images can be exported and objects read: the operator named a directory of buckets. */
  readonly hasBuckets?: boolean;
  /** What stands in for images that the region does not have. */
  readonly imageAliases?: readonly ImageAlias[];
  /** Whose keys encrypt, in the caller's name; absent where nothing new is encrypted. */
  readonly kms?: KmsContext;
}
