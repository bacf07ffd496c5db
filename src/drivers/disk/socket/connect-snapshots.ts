import { Agent, type IncomingMessage, request } from "node:http";
import { buffer } from "node:stream/consumers";
import type { BlockWriter, SnapshotReader } from "../disk-driver.ts";

/** The snapshots of a host, and the disks by way of which they are written, served by another program (`serveSnapshots`). Throws while that program is away. */
export function connectSnapshots(socketPath: string): SnapshotReader & BlockWriter {
  const agent = new Agent({ maxSockets: 16 });
  const ask = async (path: string, put?: Buffer): Promise<Buffer> => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = put ? { method: "PUT", headers: { "content-length": put.length } } : {};
      const asked = request({ socketPath, agent, path, timeout: PATIENCE_MS, ...sent }, resolve);
      asked.on("timeout", () => asked.destroy(new Error(`${path}: no answer in ${PATIENCE_MS} ms`)));
      asked.on("error", reject).end(put);
    });
    const body = await buffer(response);
    if (response.statusCode === 200) return body;
    throw new Error(body.toString() || `${path}: ${response.statusCode}`);
  };
  return {
    // The other side promises the form.
    blocks: async (id) => JSON.parse((await ask(`/${id}/blocks`)).toString()),
    difference: async (id, from) => JSON.parse((await ask(`/${id}/difference/${from}`)).toString()),
    readBlock: (id, index) => ask(`/${id}/blocks/${index}`),
    writeBlock: async (diskId, index, bytes) => void (await ask(`/${diskId}/blocks/${index}`, bytes)),
    written: async (diskId) => JSON.parse((await ask(`/${diskId}/written`)).toString()),
  };
}

/** To begin with a snapshot takes seconds when it is large and in many pieces, and longer when two are compared. */
const PATIENCE_MS = 120_000;
