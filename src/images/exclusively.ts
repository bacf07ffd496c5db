import { createServer, connect } from "node:net";
import type { Server } from "node:net";
import { once } from "node:events";

/**
 * Runs `work` while no other process of this machine runs one of the same `name`. The lock is a listening socket in Linux's
 * abstract namespace: it goes with the process, however that ends. `waiting` is called when another one has it.
 */
export const exclusively = async <T>(
  name: string,
  { waiting, signal }: { readonly waiting: () => void; readonly signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> => {
  let lock: Server | undefined;
  while (!(lock = await claim(name))) {
    waiting();
    signal.throwIfAborted();
    await released(name, signal);
  }
  try {
    return await work();
  } finally {
    lock.close();
    lock.emit("released");
  }
};

/** A server that holds on to whoever waits, and lets go of them with the lock. */
const claim = async (name: string): Promise<Server | undefined> => {
  const server = createServer((waiter) => {
    waiter.on("error", () => {}).resume();
    server.once("released", () => waiter.destroy());
  });
  try {
    server.listen(`\0${name}`);
    await once(server, "listening");
    return server;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") return undefined;
    throw error;
  }
};

const released = (name: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const holder = connect(`\0${name}`)
      .on("error", () => {})
      .resume();
    const aborted = () => {
      holder.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", aborted, { once: true });
    holder.once("close", () => {
      signal.removeEventListener("abort", aborted);
      resolve();
    });
  });
