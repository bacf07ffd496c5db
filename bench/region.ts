import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import {
  DescribeVpcsCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  waitUntilInstanceTerminated,
} from "@aws-sdk/client-ec2";
import { startRegion } from "../tests/real-region.ts";
import { comparePairs } from "./pairs.ts";

/**
 * What a region costs beside its machines: answering RunInstances (against a Describe, which writes nothing), starting again
 * (against three programs of Node that do nothing), and the memory of its idle programs. `croft run bench/region.ts`, as root.
 */
await using region = await startRegion();
const { client, imageId } = region;

await comparePairs("RunInstances' answer", "ms", {
  ours: async () => {
    const launch = { ImageId: imageId, InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 } as const;
    const start = performance.now();
    const { Instances: [instance] = [] } = await client.send(new RunInstancesCommand(launch));
    const tookMs = performance.now() - start;
    const InstanceIds = [instance?.InstanceId ?? ""];
    await client.send(new TerminateInstancesCommand({ InstanceIds, SkipOsShutdown: true }));
    await waitUntilInstanceTerminated({ client, maxWaitTime: 60, minDelay: 1 }, { InstanceIds });
    return tookMs;
  },
  bare: async () => {
    const start = performance.now();
    await client.send(new DescribeVpcsCommand({}));
    return performance.now() - start;
  },
});

const { programs } = await region.status();
for (const [name, pid] of Object.entries(programs))
  if (pid !== null) console.log(`${name}: ${residentMiB(pid)} MiB resident`);

await region.stop();
await comparePairs("a start until the region answers", "ms", {
  ours: async () => {
    const start = performance.now();
    await region.start();
    const tookMs = performance.now() - start;
    await region.stop();
    return tookMs;
  },
  bare: async () => {
    const start = performance.now();
    for (let program = 0; program < 3; program++) spawnSync(process.execPath, ["-e", "0"]);
    return performance.now() - start;
  },
});

function residentMiB(pid: number): number {
  const [, kib = "0"] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kib) / 1024);
}
