import { Agent, type IncomingMessage, request } from "node:http";
import { buffer } from "node:stream/consumers";
import type { SnapshotReader } from "../disk-driver.ts";

/** The snapshots of a host, served by another program (`serveSnapshots`). Throws while that program is away. */
export function connectSnapshots(socketPath: string): SnapshotReader {
  const agent = new Agent({ maxSockets: 16 });
  const get = async (path: string): Promise<Buffer> => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const asked = request({ socketPath, agent, path, timeout: PATIENCE_MS }, resolve);
      asked.on("timeout", () => asked.destroy(new Error(`${path}: no answer in ${PATIENCE_MS} ms`)));
      asked.on("error", reject).end();
    });
    const body = await buffer(response);
    if (response.statusCode === 200) return body;
    throw new Error(body.toString() || `${path}: ${response.statusCode}`);
  };
  return {
    // The other side promises the form.
    blocks: async (id) => JSON.parse((await get(`/${id}/blocks`)).toString()),
    difference: async (id, from) => JSON.parse((await get(`/${id}/difference/${from}`)).toString()),
    readBlock: (id, index) => get(`/${id}/blocks/${index}`),
  };
}

/** To begin with a snapshot takes seconds when it is large and in many pieces, and longer when two are compared. */
const PATIENCE_MS = 120_000;
