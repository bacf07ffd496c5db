/** Bytes at rest on this host. Every verb may be repeated. */
export interface DiskDriver extends SnapshotReader, BlockWriter {
  /**
   * A disk of this size exists; its first bytes are the image's or the snapshot's, or zeros. An existing disk is left as it is. Where its key
   * is not the snapshot's, all bytes are copied.
   */
  ensure(disk: DiskSpec): Promise<void>;
  /** An ensured disk, which no machine has, is at least this large from now on; what comes to it are zeros. */
  grow(id: string, sizeGiB: number): Promise<void>;
  /** Where a machine finds an ensured disk. */
  locate(id: string): Promise<DiskPlace>;
  /** Snapshots of it stay. */
  remove(id: string): Promise<void>;
  list(): Promise<string[]>;
  /**
   * The snapshot of this new id holds what the disk holds. The disk is from now on a difference to it, so nothing is copied, and its
   * place is another. A machine that has the disk open writes to what is now the snapshot until it is told of the new place
   * (`MachineDriver.layerDisks`): that is the moment the snapshot shows.
   */
  snapshot(id: string, diskId: string): Promise<void>;
  /** The snapshot of this new id holds what the other one does, and stays when that goes. With another key all bytes are copied. */
  copySnapshot(id: string, from: string, key?: string): Promise<void>;
  /**
   * The snapshot of this new id holds what the qcow2 file does, which needs no other, and zeros up to this size. The file, which is open or encrypted
   * with this key, may go then.
   */
  importSnapshot(id: string, file: string, sizeGiB: number, key?: string): Promise<void>;
  /** Nothing can be made of it any more. Disks and snapshots that are differences to it are as they were; its bytes go with the last. */
  removeSnapshot(id: string): Promise<void>;
  /** The ids of those that were not removed. */
  snapshots(): Promise<string[]>;
  /**
   * Takes one step to keep short and small what disks and snapshots are differences to; whether there was one. All hold what they held,
   * and a disk's path stays, but its `below` may be another: a machine that has it open reads what it has opened, and keeps the room
   * of that taken, until it is told (`MachineDriver.rebaseDisks`). `written` are snapshots that a machine may still write to, which are left as they are.
   */
  merge(written: ReadonlySet<string>): Promise<boolean>;
  /** What a disk, or a snapshot that was not removed, takes on this host beside what it is a difference to. */
  usedBytes(id: string): Promise<number>;
}

/** What snapshots hold, in blocks of `BLOCK_BYTES`. They are complete: nobody writes to them any more. Throws when there is no such one. */
export interface SnapshotReader {
  /** The blocks that something was written to; all others are zeros. */
  blocks(id: string): Promise<readonly BlockRun[]>;
  /** What tells the snapshot from another, which need not be of the same disk. */
  difference(id: string, from: string): Promise<SnapshotDifference>;
  /** Exactly `BLOCK_BYTES`, zeros after the snapshot's end. */
  readBlock(id: string, index: number): Promise<Buffer>;
}

/** Blocks that are put on an ensured disk which no machine has or had. What is read of it is told by its next snapshot, which has them. */
export interface BlockWriter {
  /** Of exactly `BLOCK_BYTES`. It is kept when this returns; one that was put there before gives way to it. */
  writeBlock(diskId: string, index: number, bytes: Buffer): Promise<void>;
  /** What was put since its last snapshot; of a disk that is not there, nothing. */
  written(diskId: string): Promise<WrittenBlocks>;
}

export interface WrittenBlocks {
  readonly count: number;
  /** When the last was put, ISO 8601; absent: none was. */
  readonly lastAt?: string;
  /** SHA-256 of their SHA-256s, in the blocks' order, in base64. */
  readonly checksum: string;
}

export const BLOCK_BYTES = 512 * 1024;

/** So many blocks from this one on. Runs are in order, and neither touch nor overlap. */
export type BlockRun = readonly [first: number, count: number];

export interface SnapshotDifference {
  /** All blocks that hold something else. Of two that stand on each other: what was written between, be it the same again. */
  readonly runs: readonly BlockRun[];
  /** Whether any of their bytes are the same ones, not only alike. */
  readonly related: boolean;
}

export interface DiskPlace {
  readonly path: string;
  /** The read-only files it is a difference to, each to the next. */
  readonly below: readonly string[];
  /** So many of its files, from `path` on, are encrypted with this key; absent: none is. */
  readonly encrypted?: EncryptedFiles;
}

export interface EncryptedFiles {
  readonly key: string;
  readonly files: number;
}

export interface DiskSpec {
  readonly id: string;
  /** May be a fraction: those of instance stores are told in billions of bytes. */
  readonly sizeGiB: number;
  /** A read-only qcow2 file. */
  readonly image?: string;
  /** The id of a snapshot, instead of an image. */
  readonly snapshot?: string;
  /** What its bytes are encrypted with, and those of its snapshots; absent: what the snapshot's are. Its image stays as it is. */
  readonly key?: string;
}
