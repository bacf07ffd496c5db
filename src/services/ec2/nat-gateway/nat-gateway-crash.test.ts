import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "#clock.ts";
import { createFakeNetworks } from "#drivers/network/fake/fake-networks.ts";
import { moved, settled, wait, type Reconciler } from "#reconcile/outcome.ts";
import type { Feed } from "#store/feed.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { crashEverywhere } from "#testing/crash-everywhere.ts";
import { testContext, testHost, testLease } from "#testing/region.ts";
import { elasticIpOperations } from "../elastic-ip/elastic-ip-operations.ts";
import { parseKey, recordKey, type Ec2Records } from "../records.ts";
import { regionalRecords } from "../regional-records.ts";
import { defaultVpc } from "../vpc/default-vpc.ts";
import { reconcileVpc } from "../vpc/vpc-reconciler.ts";
import { reconcileNatGateway } from "./nat-gateway-reconciler.ts";
import { natGatewayOperations } from "./nat-gateway-operations.ts";
import { natGatewayState } from "./nat-gateway.ts";

const scope = { accountId: "111122223333", region: "eu-central-1" };

test("whatever crashes, a NAT gateway is carried while it is there, and an hour later forgotten", async () => {
  for (const deleted of [false, true]) {
    const crashes = await crashEverywhere(
      (clock) => scene(clock, deleted),
      async ({ feed, drivers }) => {
        const records = regionalRecords(feed).in(scope);
        const gateways = records.all("nat-gateway");
        assert.deepEqual(
          gateways.map((it) => natGatewayState(it, records)),
          deleted ? [] : ["available"],
        );
        const carried = [...(await drivers.networks.observe()).values()].flat();
        assert.deepEqual(
          carried,
          gateways.map((it) => it.interfaceId),
        );
        assert.equal(records.all("network-interface").length, carried.length);
        const [address] = records.all("public-address");
        assert.equal(address?.interfaceId, carried[0]);
        const names = feed.list(recordKey("claim", scope, "")).map(({ key }) => parseKey(key).id);
        const claims = (prefix: string) => names.filter((name) => name.startsWith(prefix)).length;
        assert.equal(claims("client-token/CreateNatGateway/"), gateways.length);
        assert.equal(claims("subnet-address/"), gateways.length);
      },
    );
    assert.ok(crashes > 3, `${crashes} crashes`);
  }
});

async function scene(clock: Clock, deleted: boolean) {
  const store = openMemoryStore();
  await store.commit({
    put: [
      { key: recordKey("host", scope, testHost.id), value: testHost },
      testLease,
      { key: "user/1", value: null },
    ],
  });
  return {
    store,
    drivers: { networks: createFakeNetworks() },
    reconcilers: (program: {
      feed: Feed;
      drivers: { networks: ReturnType<typeof createFakeNetworks> };
      clock: Clock;
    }) => reconcilers(program, clock, deleted),
  };
}

function reconcilers(
  { feed, drivers }: { feed: Feed; drivers: { networks: ReturnType<typeof createFakeNetworks> } },
  clock: Clock,
  deleted: boolean,
): Reconciler[] {
  const records = regionalRecords(feed).in(scope);
  const host = {
    hostId: testHost.id,
    ...drivers,
    guests: { set: () => assert.fail("no instance is here"), remove: () => {} },
    signIdentity: () => ({ signature: "", pkcs7: "" }),
    roles: { metadata: () => ({ tree: {} }), renewInMs: () => undefined },
  };
  return [
    { kind: "user", step: () => user(records, clock, deleted) },
    { kind: "vpc", step: (key) => reconcileVpc(parseKey(key).id, scope, records, host) },
    {
      kind: "nat-gateway",
      step: async (key) => reconcileNatGateway(parseKey(key).id, records, { now: () => clock.now() }),
    },
  ];
}

/** Wants an address, a gateway with it, and then perhaps none. */
async function user(records: Ec2Records, clock: Clock, deleted: boolean) {
  const context = testContext(records, clock);
  if (!records.claimed("default-vpc")) return moved(defaultVpc(context) ?? {});
  const [elastic] = records.all("elastic-ip");
  if (!elastic) return moved(elasticIpOperations.AllocateAddress.resolve({}, context).transaction);
  const made = records.claimed("client-token/CreateNatGateway/once") !== undefined;
  const [gateway] = records.all("nat-gateway");
  if (!made && records.claimed("user-is-done") === undefined) {
    const input = {
      SubnetId: records.all("subnet")[0]?.id,
      AllocationId: elastic.id,
      ClientToken: "once",
    };
    const { transaction = {} } = natGatewayOperations.CreateNatGateway.resolve(input, context);
    const done = { key: records.key("claim", "user-is-done"), value: "yes" };
    return moved({ ...transaction, put: [...(transaction.put ?? []), done] });
  }
  if (!deleted || !gateway || gateway.deletedAt !== undefined) return settled;
  if (natGatewayState(gateway, records) !== "available") return wait(1000);
  const { transaction = {} } = natGatewayOperations.DeleteNatGateway.resolve(
    { NatGatewayId: gateway.id },
    context,
  );
  return moved(transaction);
}
