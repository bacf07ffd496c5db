import assert from "node:assert/strict";
import { test } from "node:test";
import { statusText } from "./status-text.ts";

const at = "2026-01-01T00:00:00.000Z";

test("a region that is up is told one thing a line, its instances and disks last", () => {
  const text = statusText({
    api: "http://127.0.0.1:4566",
    programs: { croft: 12, "croft-host": null },
    processes: {
      croft: { since: at, memoryMiB: 90, openFiles: 34, lastEnd: { at, how: "SIGKILL" } },
    },
    health: {
      status: "ready",
      acceleration: "tcg",
      accelerationReason: "no vmx",
      images: [{ id: "ami-1", name: "debian-12" }],
      capped: [
        {
          id: "i-1",
          type: "m5.24xlarge",
          cpus: 16,
          memoryMiB: 100,
          cappedFrom: { cpus: 96, memoryMiB: 393216 },
        },
      ],
      credits: { "i-2": { balance: 0, surplus: 1.25, limited: true } },
    },
    activity: {
      machines: [
        {
          id: "i-1",
          region: "us-east-1",
          type: "m5.24xlarge",
          state: "running",
          privateAddress: "172.31.0.4",
          publicAddress: "198.18.0.1",
          since: at,
          paused: "the disk is full",
        },
        {
          id: "i-2",
          region: "us-east-1",
          type: "t2.nano",
          state: "stopped",
          privateAddress: null,
          publicAddress: null,
          since: at,
          paused: null,
        },
      ],
      launches: { starting: [], waiting: ["i-3"] },
      memoryMiB: { promised: 100, promisable: 200 },
      cpus: { promised: 17, real: 2 },
      volumes: { count: 2, promisedGiB: 16 },
      instanceStores: { count: 2, promisedGiB: 139.7 },
      disks: [
        { id: "vol-1", region: "us-east-1", promisedGiB: 8, usedBytes: 3 * 2 ** 20 },
        { id: "snap-1", region: "us-east-1", promisedGiB: 8, usedBytes: null },
      ],
      warnings: ["the disk has 7 MiB left"],
      troubles: [{ key: "volume/1/us-east-1/vol-1", message: "disk full", since: at }],
    },
    disk: { usedBytes: 3 * 2 ** 20, freeBytes: 5 * 2 ** 30 },
  });
  assert.equal(
    text,
    `API            http://127.0.0.1:4566 ready
croft          up since ${at}, process 12, 90 MiB, 34 open files, ended ${at} (SIGKILL)
croft-host     down
machines       tcg (no vmx)
image          ami-1 debian-12
launches       0 starting, 1 waiting
memory         100 of 200 MiB promised
vCPU           17 promised, on 2 processors
disk           16 GiB promised to 2 volumes, 140 GiB to 2 instance stores, 3 MiB used, 5.0 GiB free
capped         i-1 has 16 vCPU and 100 MiB of m5.24xlarge's 96 and 393216
CPU credits    i-2 0.0, 1.3 surplus spent, runs at its baseline
warning        the disk has 7 MiB left
paused         i-1: the disk is full
cannot settle  volume/1/us-east-1/vol-1 since ${at}: disk full

i-1  us-east-1  m5.24xlarge  running  198.18.0.1  since ${at}
i-2  us-east-1  t2.nano      stopped  -           since ${at}

vol-1   us-east-1  8 GiB promised  3 MiB used
snap-1  us-east-1  8 GiB promised  -
`,
  );
});

test("of a region that is down it is told that nothing answers", () => {
  const text = statusText({
    api: "http://127.0.0.1:4566",
    programs: { croft: null },
    processes: {},
    health: null,
    activity: null,
    disk: { usedBytes: null, freeBytes: 0 },
  });
  assert.equal(text, "API    http://127.0.0.1:4566 does not answer\ncroft  down\ndisk   0 MiB free\n");
});
