import type { ResourceRecord } from "../records.ts";
import type { Tags } from "../tag/tag.ts";
import type { Encryption } from "../volume/encryption.ts";

/**
 * What CreateRestoreImageTask asks of the host that reads objects: it makes the image, pending, with snapshots that fetch their bytes from
 * the object, in the place of this record; or says why not, and removes it after a while.
 */
export interface RestoreTaskRecord extends ResourceRecord {
  /** The image's. */
  readonly id: `ami-${string}`;
  readonly hostId: string;
  readonly bucket: string;
  readonly key: string;
  /** Absent: as the image was called. */
  readonly name?: string;
  readonly imageTags: Tags;
  readonly snapshotTags: Tags;
  /** Of all its snapshots, when the account encrypts by default. */
  readonly encryption?: Encryption;
  /** Nobody waits for it afterwards. ISO 8601, UTC. */
  readonly until: string;
  readonly so: {
    readonly refused?: { readonly code: string; readonly message: string; readonly status: number };
  };
}
