import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileIdentity } from "./file-identity.ts";
import { layerDisks } from "./layer-disks.ts";
import type { Qmp } from "./qmp.ts";
import { rebaseDisks } from "./rebase-disks.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-layers-"));
after(() => rmSync(scratch, { recursive: true }));
const [lower = "", upper = "", other = ""] = ["lower", "upper", "other"].map((name) => join(scratch, name));
for (const file of [lower, upper, other]) writeFileSync(file, "");
const disk = { id: "vol-1", path: upper, below: [lower] };

/** A QEMU whose one device reads and writes `under`, on `vol-1-0`; it takes no commands that would change it. */
const qemuOn = (under: string): Qmp => {
  const backing = { "node-name": "vol-1-0" };
  const nodeOf = (set: number) => ({
    "node-name": `vol-1-${set}-file`,
    file: `/dev/fdset/${set}`,
    image: { "virtual-size": 1 },
  });
  const answers: Readonly<Record<string, unknown>> = {
    "query-blockstats": [{ "node-name": "vol-1", parent: { "node-name": under, backing } }],
    "query-named-block-nodes": [nodeOf(0), nodeOf(1)],
    "query-fdsets": [0, 1].map((set) => ({ "fdset-id": set, fds: [{ fd: set, opaque: "vol-1" }] })),
  };
  // All that is asked of it.
  return {
    async execute(command: string) {
      if (!(command in answers)) throw new Error(`unexpected ${command}`);
      return answers[command];
    },
  } as unknown as Qmp;
};
const opened = (fd: number) => fileIdentity(fd === 0 ? lower : upper);

test("of a machine that an earlier version started no snapshot is called whole: it would go on writing into it", async () => {
  await assert.rejects(layerDisks(qemuOn("vol-1-file"), [disk], opened), {
    message: /^the instance was started by an earlier version of Croft.*: stop it, start it/,
  });
});

test("a disk that is where it should be, or that was taken by force, is left alone", async () => {
  for (const change of [layerDisks, rebaseDisks]) {
    await change(qemuOn("vol-1-1"), [disk], opened);
    await change(qemuOn("vol-1-dead"), [disk], opened);
  }
});

test("a machine that writes a disk to another file than any of its own is told so, and left alone", async () => {
  for (const change of [layerDisks, rebaseDisks])
    await assert.rejects(change(qemuOn("vol-1-1"), [{ ...disk, path: other }], opened), {
      message: "the machine writes vol-1 to a file that it no longer has",
    });
});
