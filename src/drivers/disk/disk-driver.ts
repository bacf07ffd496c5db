/** Bytes at rest on this host. Every verb may be repeated. */
export interface DiskDriver {
  /** A disk of this size exists; its first bytes are the image's, or zeros. An existing disk is left as it is. */
  ensure(disk: DiskSpec): Promise<void>;
  /** Where a machine finds an ensured disk: its file, and the read-only file it is a difference to. */
  locate(id: string): Promise<{ readonly path: string; readonly backing?: string }>;
  remove(id: string): Promise<void>;
  list(): Promise<string[]>;
}

export interface DiskSpec {
  readonly id: string;
  readonly sizeGiB: number;
  /** A read-only qcow2 file. */
  readonly image?: string;
}
