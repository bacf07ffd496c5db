import { randomBytes } from "node:crypto";
import assert from "node:assert/strict";
import { chmodSync, cpSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { layout } from "#config.ts";
import { readRecord } from "#drivers/machine/qemu/machine-record.ts";
import { serveFakeRegion } from "#fake/fake-region.ts";
import { loadApiParts } from "#region-api.ts";
import { readCredentials } from "#setup/credentials.ts";
import { readIdentityKey } from "#setup/identity-key.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { openSqliteStore } from "#store/sqlite/sqlite-store.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { inventory } from "./inventory.ts";
import { until } from "./until.ts";

/** Data directories as releases left them, made by tools/keep-release.ts, each with what was in it. */
const releases = join(import.meta.dirname, "releases");

for (const release of readdirSync(releases))
  test(`the region that release ${release} left is opened with every resource in it`, async (t) => {
    const dataDir = await copyOf(release, t);
    const { settings, clientIn } = await serve(dataDir, t);
    for (const region of [settings.region, "eu-west-1"]) {
      const client = clientIn(region);
      const kept = readFileSync(join(dataDir, `${region}.txt`), "utf8")
        .trimEnd()
        .split("\n");
      const found = await until(
        () => inventory(client),
        (lines) => lines.join() === kept.join(),
        5_000,
      );
      assert.deepEqual(found, kept);
    }
  });

for (const release of readdirSync(releases))
  test(`each VPC that release ${release} left is routed, filtered and leased to as a new one`, async (t) => {
    const { settings, clientIn } = await serve(await copyOf(release, t), t);
    const client = clientIn(settings.region);
    const { Vpcs: [vpc] = [] } = await client.describeVpcs({});
    const Filters = [{ Name: "vpc-id", Values: [vpc?.VpcId ?? ""] }];
    const { InternetGateways: [gateway] = [] } = await client.describeInternetGateways({});
    const { RouteTables: [table] = [] } = await client.describeRouteTables({ Filters });
    assert.deepEqual(
      table?.Routes?.map((it) => [it.DestinationCidrBlock, it.GatewayId, it.State]),
      [
        [vpc?.CidrBlock, "local", "active"],
        ["0.0.0.0/0", gateway?.InternetGatewayId, "active"],
      ],
    );
    const { Subnets = [] } = await client.describeSubnets({ Filters });
    const { NetworkAcls: [acl] = [] } = await client.describeNetworkAcls({ Filters });
    assert.deepEqual(
      new Set(acl?.Associations?.map(({ SubnetId }) => SubnetId)),
      new Set(Subnets.map(({ SubnetId }) => SubnetId)),
    );
    const { DhcpOptions: [options] = [] } = await client.describeDhcpOptions({});
    assert.equal(options?.DhcpOptionsId, vpc?.DhcpOptionsId);
    await assert.rejects(client.deleteVpc({ VpcId: vpc?.VpcId }), { name: "DependencyViolation" });
  });

for (const release of readdirSync(releases))
  test(`what else release ${release} left is read: machines, keys`, async (t) => {
    const dataDir = await copyOf(release, t);
    const machines = readdirSync(layout(dataDir).machinesDir);
    assert.ok(machines.length > 0);
    for (const id of machines) {
      const record = readRecord(join(layout(dataDir).machinesDir, id));
      assert.ok(record?.life.state === "running" && record.uid > 0 && record.life.spec?.id === id, id);
    }
    assert.match(readIdentityKey(dataDir).privateKey, /^-----BEGIN PRIVATE KEY-----/);
  });

async function copyOf(release: string, t: TestContext): Promise<string> {
  const dataDir = await temporaryDirectory(t);
  cpSync(join(releases, release), dataDir, { recursive: true });
  chmodSync(layout(dataDir).masterKey, 0o600); // which Git does not keep
  return dataDir;
}

/** A region of fake machines on the directory. */
async function serve(dataDir: string, t: TestContext) {
  const settings = requireSettings(dataDir);
  const credentials = readCredentials(dataDir);
  const api = await serveFakeRegion({
    settings,
    credentials,
    sealingKey: randomBytes(32),
    parts: loadApiParts(),
    port: 0,
    resettable: false,
    openStore: () => openSqliteStore(layout(dataDir).storeDir),
    log: (line) => t.diagnostic(line),
  });
  t.after(() => api.close());
  const endpoint = `http://127.0.0.1:${api.port}`;
  const clientIn = (region: string): EC2 => {
    const client = new EC2({ endpoint, region, credentials, maxAttempts: 1 });
    t.after(() => client.destroy());
    return client;
  };
  return { settings, clientIn };
}
