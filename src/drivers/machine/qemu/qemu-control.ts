import type { TapTerms } from "#drivers/linux/taps.ts";
import { CONSOLE_BYTES } from "./command-line.ts";
import { Qmp, QmpError } from "./qmp.ts";

/** What one running QEMU is asked and told, over a connection that is made anew whenever it is needed. */
export class QemuControl {
  readonly #path: string;
  readonly #onEvent: (event: string) => void;
  readonly #onClosed: () => void;
  #qmp: Qmp | undefined;

  /** `onClosed`: QEMU hung up, so its process ends, or has ended. */
  constructor(path: string, onEvent: (event: string) => void, onClosed: () => void) {
    this.#path = path;
    this.#onEvent = onEvent;
    this.#onClosed = onClosed;
  }

  /** Rejects when QEMU does not answer in time. */
  async connect(withinMs = CONNECT_MS): Promise<Qmp> {
    if (this.#qmp !== undefined) return this.#qmp;
    const qmp = await Qmp.connect(this.#path, AbortSignal.timeout(withinMs));
    this.#qmp = qmp;
    qmp.onEvent(({ event }) => this.#onEvent(event));
    void this.#forget(qmp);
    return qmp;
  }

  /** Rejects when QEMU refuses, or does not answer. */
  async command(command: string): Promise<void> {
    await (await this.connect()).execute(command);
  }

  /** QEMU's run state, or undefined when it does not answer. */
  async status(): Promise<string | undefined> {
    const answer = await this.#ask("query-status");
    return typeof answer === "object" && answer !== null && "status" in answer
      ? String(answer.status)
      : undefined;
  }

  /** Why a disk cannot be written: "nospace", or "failed" for any other reason; undefined when every one can. */
  async diskTrouble(): Promise<string | undefined> {
    const answer = await this.#ask("query-block");
    const disks: readonly { readonly "io-status"?: string }[] = Array.isArray(answer) ? answer : [];
    return disks.map((disk) => disk["io-status"]).find((status) => status !== undefined && status !== "ok");
  }

  /** QEMU's own descriptors of its taps, by their netdevs' names, if it answers: only the monitor for people tells. */
  async tapDescriptors(): Promise<ReadonlyMap<string, number> | undefined> {
    const answer = await this.#ask("human-monitor-command", { "command-line": "info network" });
    if (typeof answer !== "string") return undefined;
    const lines = answer.matchAll(/ ([\w-]+): .*type=tap,fd=(\d+)/g);
    return new Map([...lines].map(([, name = "", fd]) => [name, Number(fd)]));
  }

  /** What the guest's driver agreed on with a network device. */
  async tapTerms(device: string): Promise<TapTerms> {
    const path = `/machine/peripheral/${device}/virtio-backend`;
    const status = await (await this.connect()).execute("x-query-virtio-status", { path });
    const agreed = JSON.stringify((status as { readonly "guest-features": object })["guest-features"]);
    const has = (feature: string) => agreed.includes(`${feature}:`);
    const long = has("VIRTIO_F_VERSION_1") || has("VIRTIO_NET_F_MRG_RXBUF");
    return {
      headerBytes: long ? 12 : 10,
      offloads: OFFLOADS.reduce((sum, [feature, flag]) => sum | (has(feature) ? flag : 0), 0),
    };
  }

  /** What the serial console printed since the last time. */
  async takeConsole(): Promise<Buffer> {
    const answer = await this.#ask("ringbuf-read", {
      device: "console",
      size: CONSOLE_BYTES,
      format: "base64",
    });
    return Buffer.from(typeof answer === "string" ? answer : "", "base64");
  }

  /** One that means nothing by itself. */
  async pressKey(): Promise<void> {
    await (await this.connect()).execute("send-key", { keys: [{ type: "qcode", data: "shift" }] });
  }

  /** Writes what the screen shows as a PPM into the open file `fd`. Rejects when QEMU refuses, or does not answer. */
  async drawScreen(fd: number): Promise<void> {
    const qmp = await this.connect();
    const set = { "fdset-id": DRAWN };
    await qmp.execute("add-fd", set, { fds: [fd] });
    try {
      await qmp.execute("screendump", { filename: `/dev/fdset/${DRAWN}` });
    } finally {
      await qmp.execute("remove-fd", set);
    }
  }

  /**
   * Whether the initrd wrote to the port by which it refuses its kernel. It writes many bytes and one is taken, so that
   * whoever asks next hears it too. Undefined: QEMU did not answer in time.
   */
  async refusesKernel(): Promise<boolean | undefined> {
    const ring = { device: "refusal", size: 1, format: "base64" };
    try {
      return (await (await this.connect()).execute("ringbuf-read", ring, { timeoutMs: ANSWER_MS })) !== "";
    } catch (error) {
      // A machine that boots by firmware has no such port.
      return error instanceof QmpError ? false : undefined;
    }
  }

  /** QEMU writes out what it holds of its disks' tables and ends, if it hears this. */
  async quit(): Promise<void> {
    await this.#ask("quit");
  }

  close(): void {
    this.#qmp?.close();
    this.#qmp = undefined;
  }

  async #ask(command: string, args: object = {}): Promise<unknown> {
    try {
      return await (await this.connect()).execute(command, args, { timeoutMs: ANSWER_MS });
    } catch {
      return undefined;
    }
  }

  async #forget(qmp: Qmp): Promise<void> {
    await qmp.closed;
    if (this.#qmp !== qmp) return;
    this.#qmp = undefined;
    this.#onClosed();
  }
}

/** virtio-net's features, each with the `TUN_F_…` that QEMU makes of it. */
const OFFLOADS = [
  ["VIRTIO_NET_F_GUEST_CSUM", 0x01],
  ["VIRTIO_NET_F_GUEST_TSO4", 0x02],
  ["VIRTIO_NET_F_GUEST_TSO6", 0x04],
  ["VIRTIO_NET_F_GUEST_ECN", 0x08],
  ["VIRTIO_NET_F_GUEST_UFO", 0x10],
] as const;

const CONNECT_MS = 1000;
/** The set of descriptors that a picture is drawn into; disks have theirs from 1 up. */
const DRAWN = 0;
/** Commands queue behind questions, so these are short; a QEMU that is merely slow is asked again. */
const ANSWER_MS = 1000;
