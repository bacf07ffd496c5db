/** Bytes at rest on this host. Every verb may be repeated. */
export interface DiskDriver {
  /** A disk of this size exists; its first bytes are the image's, or zeros. An existing disk is left as it is. */
  ensure(disk: DiskSpec): Promise<void>;
  /** An ensured disk, which no machine has, is at least this large from now on; what comes to it are zeros. */
  grow(id: string, sizeGiB: number): Promise<void>;
  /** Where a machine finds an ensured disk. */
  locate(id: string): Promise<DiskPlace>;
  remove(id: string): Promise<void>;
  list(): Promise<string[]>;
}

export interface DiskPlace {
  readonly path: string;
  /** The read-only file it is a difference to. */
  readonly backing?: string;
}

export interface DiskSpec {
  readonly id: string;
  readonly sizeGiB: number;
  /** A read-only qcow2 file. */
  readonly image?: string;
}
