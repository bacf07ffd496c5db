import { chmodSync, chownSync, rmSync, statSync } from "node:fs";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { BLOCK_BYTES, type BlockWriter, type SnapshotReader } from "../disk-driver.ts";

export interface ServeSnapshotsOptions {
  /** Made anew with mode 0600, owned by `uid`. */
  readonly socketPath: string;
  readonly uid: number;
  readonly log: (line: string) => void;
}

/**
 * Lets another program read this host's snapshots, and write those that are made block by block (`connectSnapshots`), by HTTP:
 *
 *     GET /ID/blocks             JSON: the runs of blocks
 *     GET /ID/blocks/INDEX       the bytes of one
 *     GET /ID/difference/FROM    JSON: a `SnapshotDifference`
 *     PUT /DISK/blocks/INDEX     the bytes of one
 *     GET /DISK/written          JSON: `WrittenBlocks`
 *
 * What cannot be done is answered 500 with the reason.
 */
export async function serveSnapshots(
  disks: SnapshotReader & BlockWriter,
  { socketPath, uid, log }: ServeSnapshotsOptions,
): Promise<{ close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const { method, url = "" } = request;
    const answered =
      method === "GET" ? answer(disks, url) : method === "PUT" ? put(disks, url, request) : undefined;
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
function answer(disks: SnapshotReader & BlockWriter, url: string): Promise<string | Buffer> | undefined {
  const [, id = "", what, of] = /^\/([\w-]+)\/(blocks|difference|written)(?:\/([\w-]+))?$/.exec(url) ?? [];
  if (what === "difference" && of !== undefined) return disks.difference(id, of).then(JSON.stringify);
  if (what === "blocks" && of === undefined) return disks.blocks(id).then(JSON.stringify);
  if (what === "written" && of === undefined) return disks.written(id).then(JSON.stringify);
  return what === "blocks" && /^\d{1,9}$/.test(of ?? "") ? disks.readBlock(id, Number(of)) : undefined;
}

function put(disks: BlockWriter, url: string, request: IncomingMessage): Promise<string> | undefined {
  const [, id, index] = /^\/([\w-]+)\/blocks\/(\d{1,9})$/.exec(url) ?? [];
  const length = Number(request.headers["content-length"]);
  if (id === undefined || length !== BLOCK_BYTES) return undefined;
  return buffer(request).then(async (bytes) => {
    await disks.writeBlock(id, Number(index), bytes);
    return "";
  });
}
