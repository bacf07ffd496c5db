/** Bytes at rest on this host. Every verb may be repeated. */
export interface DiskDriver {
  /** A disk of this size exists; its first bytes are the image's or the snapshot's, or zeros. An existing disk is left as it is. */
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
  /** The snapshot of this new id holds what the other one does, and stays when that goes. */
  copySnapshot(id: string, from: string): Promise<void>;
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

export interface DiskPlace {
  readonly path: string;
  /** The read-only files it is a difference to, each to the next. */
  readonly below: readonly string[];
}

export interface DiskSpec {
  readonly id: string;
  readonly sizeGiB: number;
  /** A read-only qcow2 file. */
  readonly image?: string;
  /** The id of a snapshot, instead of an image. */
  readonly snapshot?: string;
}
