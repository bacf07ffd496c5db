import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import type { Store } from "../store.ts";
import { serveConnection } from "./serve-connection.ts";

/** Lets the store be reached over a Unix socket, by its owner and root only. Closing it leaves the store open. */
export async function serveStore(store: Store, socketPath: string): Promise<{ close(): Promise<void> }> {
  const connections = new Set<Socket>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    void serveConnection(store, socket);
  });

  await rm(socketPath, { force: true }); // one that was killed leaves it behind
  const umask = process.umask(0o177);
  try {
    server.listen(socketPath); // binds before it returns
  } finally {
    process.umask(umask);
  }
  await once(server, "listening");

  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}
