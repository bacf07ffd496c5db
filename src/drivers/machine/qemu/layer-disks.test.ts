import assert from "node:assert/strict";
import { test } from "node:test";
import { layerDisks } from "./layer-disks.ts";
import type { Qmp } from "./qmp.ts";

const disk = { id: "vol-1", path: "/disks/vol-1.2", below: ["/disks/vol-1.1"], bytes: 1 };

/** A QEMU whose one device reads and writes `under`; it takes no commands that would change it. */
const qemuOn = (under: string): Qmp => {
  const answers: Readonly<Record<string, unknown>> = {
    "query-blockstats": [{ "node-name": "vol-1", parent: { "node-name": under } }],
    "query-named-block-nodes": [],
    "query-fdsets": [],
  };
  // All that is asked of it.
  return {
    async execute(command: string) {
      if (!(command in answers)) throw new Error(`unexpected ${command}`);
      return answers[command];
    },
  } as unknown as Qmp;
};

test("of a machine that an earlier version started no snapshot is called whole: it would go on writing into it", async () => {
  await assert.rejects(layerDisks(qemuOn("vol-1-file"), [disk]), {
    message: /^the instance was started by an earlier version of Croft.*: stop it, start it/,
  });
});

test("a disk that is where it should be, or that was taken by force, is left alone", async () => {
  await layerDisks(qemuOn("vol-1-1"), [disk]);
  await layerDisks(qemuOn("vol-1-dead"), [disk]);
});
