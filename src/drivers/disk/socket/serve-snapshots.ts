import { chmodSync, chownSync, rmSync, statSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import type { SnapshotReader } from "../disk-driver.ts";

export interface ServeSnapshotsOptions {
  /** Made anew with mode 0600, owned by `uid`. */
  readonly socketPath: string;
  readonly uid: number;
  readonly log: (line: string) => void;
}

/**
 * Lets another program read this host's snapshots (`connectSnapshots`), by HTTP:
 *
 *     GET /ID/blocks             JSON: the runs of blocks
 *     GET /ID/blocks/INDEX       the bytes of one
 *     GET /ID/difference/FROM    JSON: a `SnapshotDifference`
 *
 * What cannot be read is answered 500 with the reason.
 */
export async function serveSnapshots(
  reader: SnapshotReader,
  { socketPath, uid, log }: ServeSnapshotsOptions,
): Promise<{ close(): Promise<void> }> {
  const server = createServer(({ method, url }, response) => {
    const answered = method === "GET" ? answer(reader, url ?? "") : undefined;
    if (!answered) return void response.writeHead(404).end();
    answered.then(
      (body) => response.end(body),
      (error: unknown) => {
        log(`snapshots: ${String(error)}`);
        response.writeHead(500).end(error instanceof Error ? error.message : String(error));
      },
    );
  });
  rmSync(socketPath, { force: true });
  server.listen(socketPath);
  await once(server, "listening");
  chmodSync(socketPath, 0o600);
  if (statSync(socketPath).uid !== uid) chownSync(socketPath, uid, -1);
  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Undefined for what is not served. */
function answer(reader: SnapshotReader, url: string): Promise<string | Buffer> | undefined {
  const [, id = "", what, of] = /^\/([\w-]+)\/(blocks|difference)(?:\/([\w-]+))?$/.exec(url) ?? [];
  if (what === "difference" && of !== undefined) return reader.difference(id, of).then(JSON.stringify);
  if (what === "blocks" && of === undefined) return reader.blocks(id).then(JSON.stringify);
  return what === "blocks" && /^\d{1,9}$/.test(of ?? "") ? reader.readBlock(id, Number(of)) : undefined;
}
