/** What a backup says of itself, in `backup.json` of its archive. */
export interface Manifest {
  readonly croft: string;
  /** Of its records: how many of `store/sqlite/migrations.ts` they have had. */
  readonly format: number;
  readonly madeAt: string;
  /** Whether it holds the bytes of volumes and imported images too. */
  readonly volumes: boolean;
}

export const manifestFile = "backup.json";

/** Of the data directory: what is the region, and not of this host or made anew at each start. `layout` has the whole paths. */
export const keptFiles = [
  "region.json",
  "credentials.json",
  "master.key",
  "identity.json",
  "identity.pem",
  "sealing-key.json",
  "tls",
  "host-id",
] as const;
