import { chmodSync, chownSync, closeSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { openSocket } from "#drivers/linux/namespaces.ts";
import { converse } from "./guest-conversation.ts";
import type { Conversation, NetworkSource } from "./guest-conversation.ts";
import { guestSockets } from "./guest-snapshot.ts";
import type { GuestNetwork, GuestSettings, Resolver } from "./guest-snapshot.ts";

/** croft-host's side: what croft-guest is to serve, sent as it changes and whole to a guest that connects anew. */
export interface GuestFeed {
  /** What `network` is now. Call it after every `apply` of the network: unchanged, it costs a comparison. */
  set(network: GuestNetwork): void;
  /** The network is no more; the guest closes its sockets. */
  remove(networkId: string): void;
  /** Said anew to a connected guest, which goes on serving meanwhile. */
  setResolvers(resolvers: readonly Resolver[]): void;
  /** Whether a guest is connected and has been told everything set so far. */
  connected(): boolean;
  close(): Promise<void>;
}

export interface GuestFeedOptions extends NetworkSource {
  readonly settings: GuestSettings;
  /** Made anew with mode 0600, owned by `guestUid`. */
  readonly socketPath: string;
  readonly guestUid: number;
}

/** Resolves once a guest can connect. Networks that a guest holds and nobody has set yet are left to it. */
export const serveGuests = async (options: GuestFeedOptions): Promise<GuestFeed> => {
  const { socketPath, guestUid, log } = options;
  const wanted = new Map<string, GuestNetwork | "gone">();
  let { settings } = options;
  let guest: Conversation | undefined;

  rmSync(socketPath, { force: true });
  const server = createServer((socket) => {
    guest?.end();
    guest = converse(socket, settings, wanted, options);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  server.on("error", (error) => log(`guest socket: ${error.message}`));
  chmodSync(socketPath, 0o600);
  if (statSync(socketPath).uid !== guestUid) chownSync(socketPath, guestUid, -1);

  return {
    set(network) {
      wanted.set(network.id, network);
      guest?.changed(network.id);
    },
    remove(networkId) {
      wanted.set(networkId, "gone");
      guest?.changed(networkId);
    },
    setResolvers(resolvers) {
      settings = { ...settings, resolvers };
      // It connects again, and a conversation starts with the settings.
      guest?.end();
    },
    connected: () => guest?.upToDate() ?? false,
    close: () => {
      guest?.end();
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
  };
};

/** `openSockets` for a network whose namespace is `namespace`, an entry of /run/netns. */
export const openGuestSockets = (namespace: string, resolver: string): number[] => {
  const fds: number[] = [];
  try {
    for (const { type, address, port } of guestSockets)
      fds.push(openSocket(namespace, { type, port, address: address === "resolver" ? resolver : address }));
    return fds;
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    throw error;
  }
};

/** `namespaceOf` for the same: its inode, which no other namespace gets as long as a socket of it is open. */
export const namespaceIdentity = (namespace: string): string | undefined =>
  statSync(`/run/netns/${namespace}`, { throwIfNoEntry: false })?.ino.toString();
