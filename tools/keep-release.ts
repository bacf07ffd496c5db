import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EC2, waitUntilInstanceRunning, waitUntilInstanceStopped } from "@aws-sdk/client-ec2";
import { checkout, croftCommand, croftVersion } from "#checkout.ts";
import { layout } from "#config.ts";
import { writeRecord } from "#drivers/machine/qemu/machine-record.ts";
import { makeIdentityKey } from "#setup/identity-key.ts";
import { readCredentials } from "#setup/credentials.ts";
import { inventory } from "../tests/inventory.ts";

/**
 * Makes tests/releases/VERSION for `tests/releases.test.ts`: the data directory of a region of fake machines with one of every
 * resource, a machine's record, and in REGION.txt what is there. Run it once, with each release; what is there stays as it is.
 */
const dataDir = join(checkout, "tests", "releases", croftVersion());
mkdirSync(dataDir);

const region = spawn(
  process.execPath,
  [croftCommand, "start", "--machines", "fake", "--data-dir", dataDir, "--port", "45660"],
  { stdio: ["ignore", "pipe", "inherit"] },
);
await untilReady(region);
const credentials = readCredentials(dataDir);
for (const name of ["us-east-1", "eu-west-1"]) {
  const client = new EC2({ endpoint: "http://127.0.0.1:45660", region: name, credentials, maxAttempts: 1 });
  await fill(client);
  writeFileSync(join(dataDir, `${name}.txt`), `${(await inventory(client)).join("\n")}\n`);
  client.destroy();
}
region.kill("SIGTERM");
await once(region, "exit");
for (const left of ["run", "log"]) rmSync(join(dataDir, left), { recursive: true });
shrink(layout(dataDir).store);
makeIdentityKey(dataDir, "us-east-1");
await keepMachine("i-0123456789abcdef0");

async function fill(client: EC2): Promise<void> {
  const { Images: [image] = [] } = await client.describeImages({});
  const tags = (type: "instance" | "key-pair") => [
    { ResourceType: type, Tags: [{ Key: "Name", Value: "kept" }] },
  ];
  await client.createKeyPair({ KeyName: "kept", KeyType: "ed25519", TagSpecifications: tags("key-pair") });
  const { GroupId = "" } = await client.createSecurityGroup({ GroupName: "kept", Description: "kept" });
  await client.authorizeSecurityGroupIngress({
    GroupId,
    IpPermissions: [
      { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "0.0.0.0/0" }] },
      { IpProtocol: "-1", UserIdGroupPairs: [{ GroupId }] },
    ],
  });
  await client.createPlacementGroup({ GroupName: "kept", Strategy: "cluster" });
  await client.createLaunchTemplate({
    LaunchTemplateName: "kept",
    LaunchTemplateData: { ImageId: image?.ImageId ?? "", InstanceType: "t3.nano" },
  });
  await client.createLaunchTemplateVersion({
    LaunchTemplateName: "kept",
    SourceVersion: "1",
    LaunchTemplateData: { KeyName: "kept", UserData: Buffer.from("#!/bin/sh\n").toString("base64") },
  });
  const launched = await client.runInstances({
    LaunchTemplate: { LaunchTemplateName: "kept", Version: "2" },
    SecurityGroupIds: [GroupId],
    TagSpecifications: tags("instance"),
    ClientToken: "kept",
    MinCount: 2,
    MaxCount: 2,
  });
  const ids = launched.Instances?.map(({ InstanceId = "" }) => InstanceId) ?? [];
  const patience = { client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 };
  await waitUntilInstanceRunning(patience, { InstanceIds: ids });
  await client.stopInstances({ InstanceIds: ids.slice(1) });
  await waitUntilInstanceStopped(patience, { InstanceIds: ids.slice(1) });
}

async function keepMachine(id: string): Promise<void> {
  const directory = join(layout(dataDir).machinesDir, id);
  mkdirSync(directory, { recursive: true });
  await writeRecord(directory, {
    uid: 1073741840,
    life: {
      state: "running",
      process: { pid: 4711, startTicks: 12_345, bootId: "00000000-0000-4000-8000-000000000000" },
      booted: true,
      argv: ["qemu-system-x86_64", "-name", id],
      spec: {
        id,
        cpus: 2,
        threadsPerCore: 2,
        memoryMiB: 512,
        identity: { uuid: "ec2e1916-9099-7caf-fd21-012345abcdef", product: "t3.nano" },
        boot: { by: "bios" },
        disks: [
          {
            id: "vol-0123456789abcdef0",
            path: "/var/lib/croft/disks/vol-0123456789abcdef0/disk.qcow2",
            below: [],
          },
        ],
        ports: [],
      },
    },
  });
}

/** Without room for what comes and the changes that watches resume from: it is kept in the repository. */
function shrink(file: string): void {
  const db = new DatabaseSync(file);
  db.exec("DELETE FROM change WHERE revision < (SELECT max(revision) FROM change); VACUUM");
  db.close();
}

async function untilReady({ stdout }: ChildProcess): Promise<void> {
  for await (const part of stdout?.setEncoding("utf8").iterator({ destroyOnReturn: false }) ?? [])
    if (String(part).includes("croft: ready")) return;
}
