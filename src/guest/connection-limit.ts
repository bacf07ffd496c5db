import type { Server, Socket } from "node:net";

/**
 * Drops the server's connections from strangers and all beyond `most` at once of one address. Answers what closes the server
 * together with the connections that are open.
 */
export const limitConnections = (
  server: Server,
  most: number,
  isKnown: (address: string) => boolean,
): (() => void) => {
  const open = new Map<string, Set<Socket>>();
  server.on("connection", (socket) => {
    const address = socket.remoteAddress ?? "";
    const sockets = open.get(address) ?? new Set();
    if (!isKnown(address) || sockets.size >= most) return void socket.destroy();
    open.set(address, sockets.add(socket));
    socket.once("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0 && open.get(address) === sockets) open.delete(address);
    });
  });
  return () => {
    server.close();
    for (const sockets of open.values()) for (const socket of sockets) socket.destroy();
  };
};
