import type { Jail } from "../../linux/jail.ts";
import { secretFiles } from "../../linux/key-files.ts";

/** What a command of QEMU's that knows secrets by the ids of `objects` is to be shown in its jail. */
export interface ShownKeys {
  readonly shows: Jail["shows"];
  /** Arguments. */
  readonly objects: readonly string[];
}

/** The secrets, by what they are to be called, for `uid` alone and until `use` has ended. */
export async function withKeyFiles<Result>(
  secrets: Readonly<Record<string, string | undefined>>,
  uid: number,
  use: (keys: ShownKeys) => Promise<Result>,
): Promise<Result> {
  const known = Object.entries(secrets).flatMap(([id, secret]) =>
    secret === undefined ? [] : [{ id, secret, inside: `/${id}` }],
  );
  using files = secretFiles(known, uid);
  const objects = known.flatMap(({ id, inside }) => ["--object", `secret,id=${id},file=${inside}`]);
  return await use({ shows: files.shows, objects });
}
