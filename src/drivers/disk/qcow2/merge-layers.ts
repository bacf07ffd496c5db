import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chown } from "node:fs/promises";
import { createInterface } from "node:readline";
import { jailed } from "../../linux/jail.ts";
import { withKeyFiles, type ShownKeys } from "./key-file.ts";
import type { LentFiles } from "./lent-files.ts";
import { byLuks, KEY } from "./qcow2-layout.ts";

/**
 * Copies what the qcow2 files `layers`, each a difference to the one before, hold together to the empty qcow2 file `to`, which may then
 * stand in for the last of them on what the first stands on. Nobody else may write any of them until `use` of the copy has ended: throws
 * when somebody does already. What their bytes lead to is followed by the user alone that they are lent to, in a jail, which ends with
 * this process. `secret`: all of them are encrypted with it. Commands follow QEMU 7.2's QMP reference.
 */
export const mergeLayers = (
  layers: readonly string[],
  to: string,
  lent: LentFiles,
  use: () => Promise<void>,
  secret?: string,
): Promise<void> => withKeyFiles({ [KEY]: secret }, lent.uid, (keys) => merged(layers, to, lent, use, keys));

const merged = (
  layers: readonly string[],
  to: string,
  lent: LentFiles,
  use: () => Promise<void>,
  keys: ShownKeys,
): Promise<void> =>
  lent.during(layers, async () => {
    await chown(to, lent.uid, lent.uid);
    await using daemon = startDaemon([...layers, to], lent.uid, keys);
    await daemon.execute("qmp_capabilities");
    await daemon.execute("block-stream", {
      "job-id": JOB,
      device: node(layers.length),
      bottom: node(0),
      "auto-dismiss": false,
    });
    await daemon.concluded();
    await daemon.execute("job-dismiss", { id: JOB });
    // Only then it is whole: what it knows of itself is in memory until it is closed.
    await daemon.execute("blockdev-del", { "node-name": node(layers.length) });
    await chown(to, 0, 0);
    await use();
  });

const startDaemon = (files: readonly string[], uid: number, keys: ShownKeys) => {
  const inside = (index: number) => `/layer${index}`;
  const isTop = (index: number) => index === files.length - 1;
  const nodes = files.map((_, index) => ({
    driver: "qcow2",
    "node-name": node(index),
    file: { driver: "file", filename: inside(index) },
    ...(keys.objects.length > 0 && byLuks(KEY)),
    backing: index === 0 ? null : node(index - 1),
    "read-only": !isTop(index),
  }));
  const command = jailed(
    [
      ...mortal,
      "qemu-storage-daemon",
      ...keys.objects,
      ...nodes.flatMap((it) => ["--blockdev", JSON.stringify(it)]),
      "--chardev",
      "stdio,id=control",
      "--monitor",
      "chardev=control,mode=control",
    ],
    {
      uid,
      limits: ["--nofile=512", "--nproc=64", `--as=${2 * 1024 ** 3}`],
      shows: [
        ...files.map((outside, index) => ({ outside, inside: inside(index), writable: isTop(index) })),
        ...keys.shows,
      ],
    },
  );
  const path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  const child = spawn("env", ["-i", path, ...mortal, ...command]);
  return new Daemon(child, child.stdin, child.stdout, child.stderr);
};

/** A conversation with one `qemu-storage-daemon`, a command at a time. */
class Daemon {
  readonly #child: ChildProcess;
  readonly #input: NodeJS.WritableStream;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;
  #complaint = "";

  constructor(
    child: ChildProcess,
    input: NodeJS.WritableStream,
    output: NodeJS.ReadableStream,
    errors: NodeJS.ReadableStream,
  ) {
    this.#child = child;
    this.#input = input;
    this.#ended = once(child, "close").catch((error: unknown) => (this.#complaint = String(error)));
    this.#lines = createInterface({ input: output })[Symbol.asyncIterator]();
    errors.on("data", (text: Buffer) => (this.#complaint = (this.#complaint + String(text)).slice(-1000)));
    input.on("error", () => {}); // it has ended, and says why
  }

  async execute(command: string, args: object = {}): Promise<unknown> {
    this.#input.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const answer = await this.#next((it) => "return" in it || "error" in it);
    if (answer.error) throw new Error(`${command}: ${answer.error.desc}`);
    return answer.return;
  }

  /** Throws what it could not read or write. */
  async concluded(): Promise<void> {
    for (;;) {
      const jobs = (await this.execute("query-jobs")) as {
        readonly status: string;
        readonly error?: string;
      }[];
      if (jobs[0]?.error !== undefined) throw new Error(`the layers cannot be merged: ${jobs[0].error}`);
      if (jobs[0]?.status === "concluded") return;
      await this.#next(({ event }) => event === "JOB_STATUS_CHANGE");
    }
  }

  async #next(wanted: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done === true) {
        await this.#ended;
        throw new Error(`qemu-storage-daemon ended: ${this.#complaint.trim()}`);
      }
      // QMP, which says nothing else
      const message = JSON.parse(value) as Message;
      if (wanted(message)) return message;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

interface Message {
  readonly event?: string;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** What is started so is killed when this process ends; a process that changes its user has to be told again. */
const mortal = ["setpriv", "--pdeathsig", "KILL", "--"];

const node = (index: number): string => `layer${index}`;
const JOB = "merge";
