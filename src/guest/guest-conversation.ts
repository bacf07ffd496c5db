import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { sendWithFds } from "#drivers/linux/fd-passing.ts";
import type { GuestMessage, GuestNetwork, GuestSettings } from "./guest-snapshot.ts";
import { jsonLine, readLines } from "./lines.ts";

/** What a conversation needs to know of this host's networks. */
export interface NetworkSource {
  /** Fresh sockets in the network's namespace, in the order of `guestSockets`. May throw: it is tried again. */
  readonly openSockets: (networkId: string, resolver: string) => number[];
  /** Which namespace a network has: another text once it is made anew, undefined while it has none. */
  readonly namespaceOf: (networkId: string) => string | undefined;
  readonly log: (line: string) => void;
  /** Before a network whose sockets could not be opened is tried again; default 500. */
  readonly retryMs?: number;
}

export interface Conversation {
  /** Look at this network again: it was set or removed. */
  changed(networkId: string): void;
  /** Connected, and nothing is left to tell. */
  upToDate(): boolean;
  end(): void;
}

/**
 * Talks to one guest over `socket` from its greeting on: one message after another, each the difference between what is wanted
 * of a network and what this guest was told of it, so that a slow guest costs no memory and misses no state.
 */
export const converse = (
  socket: Socket,
  settings: GuestSettings,
  wanted: ReadonlyMap<string, GuestNetwork | "gone">,
  { openSockets, namespaceOf, log, retryMs = 500 }: NetworkSource,
): Conversation => {
  /** By network: the namespace of the sockets the guest has. Undefined until it has greeted. */
  let held: Map<string, string> | undefined;
  const told = new Map<string, GuestNetwork>();
  const due = new Set<string>();
  /** Networks that could not be told, and why. */
  const failing = new Map<string, string>();
  let telling = false;

  const greeted = (hello: string) => {
    if (held) throw new Error("more than a greeting");
    held = holdsOf(JSON.parse(hello));
    socket.write(jsonLine({ type: "settings", ...settings } satisfies GuestMessage));
    for (const id of wanted.keys()) due.add(id);
    // A network that nobody has set may be on its way through a starting croft-host: not so one without a namespace.
    for (const id of held.keys()) if (namespaceOf(id) === undefined) due.add(id);
    void tellAll(held);
  };

  const tellAll = async (holding: Map<string, string>) => {
    if (telling) return;
    telling = true;
    for (const id of due) {
      due.delete(id);
      try {
        await tell(id, holding);
        failing.delete(id);
      } catch (error) {
        if (socket.destroyed) return;
        const reason = error instanceof Error ? error.message : String(error);
        if (failing.get(id) !== reason) log(`guest: ${id}: ${reason}`);
        failing.set(id, reason);
        setTimeout(changed, retryMs, id).unref();
      }
    }
    telling = false;
  };

  const tell = async (id: string, holding: Map<string, string>) => {
    const network = wanted.get(id) ?? "gone";
    if (network === "gone") {
      told.delete(id);
      if (holding.delete(id)) await send({ type: "network-gone", network: id });
      return;
    }
    const namespace = namespaceOf(id);
    if (namespace === undefined) throw new Error("has no namespace");
    if (holding.get(id) !== namespace) {
      const sockets = openSockets(id, network.resolver);
      await send({ type: "network", network, namespace, sockets: "enclosed" }, sockets);
    } else {
      const message = difference(told.get(id), network, namespace);
      if (message) await send(message);
    }
    holding.set(id, namespace);
    told.set(id, network);
  };

  const send = async (message: GuestMessage, fds: readonly number[] = []) => {
    try {
      await sendWithFds(socket, jsonLine(message), fds);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  };

  const changed = (id: string) => {
    due.add(id);
    if (held && !socket.destroyed) void tellAll(held);
  };

  // The guest is less trusted than this side: one short greeting, nothing else.
  const read = readLines(greeted, 1024 * 1024);
  socket.on("data", (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      log(`guest: ${error instanceof Error ? error.message : String(error)}`);
      socket.destroy();
    }
  });
  socket.on("error", (error) => log(`guest: ${error.message}`));

  return {
    changed,
    upToDate: () => held !== undefined && !telling && due.size + failing.size === 0 && !socket.destroyed,
    end: () => socket.destroy(),
  };
};

/** Undefined: nothing new. */
const difference = (
  before: GuestNetwork | undefined,
  now: GuestNetwork,
  namespace: string,
): GuestMessage | undefined => {
  if (before === now) return undefined;
  const whole = ({ interfaces: _, ...rest }: GuestNetwork) => rest;
  if (!before || !isDeepStrictEqual(whole(before), whole(now)))
    return { type: "network", network: now, namespace, sockets: "held" };
  const old = new Map(before.interfaces.map((known) => [known.id, known]));
  const ids = new Set(now.interfaces.map(({ id }) => id));
  const changed = now.interfaces.filter((is) => !isDeepStrictEqual(old.get(is.id), is));
  const gone = [...old.keys()].filter((id) => !ids.has(id));
  if (changed.length + gone.length === 0) return undefined;
  return { type: "interfaces", network: now.id, changed, gone };
};

const holdsOf = (hello: unknown): Map<string, string> => {
  const holds: unknown =
    typeof hello === "object" && hello !== null ? Reflect.get(hello, "holds") : undefined;
  if (typeof holds !== "object" || holds === null) throw new Error("no greeting");
  return new Map(Object.entries(holds).map(([id, namespace]) => [id, String(namespace)]));
};
