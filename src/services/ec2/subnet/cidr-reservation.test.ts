import assert from "node:assert/strict";
import { test } from "node:test";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 60_000 };

test(
  "what is reserved is given to interfaces only by name, until the reservation is deleted",
  limit,
  async (t) => {
    const { client, SubnetId } = await smallSubnet(t);
    const reserve = (Cidr: string) =>
      client.createSubnetCidrReservation({
        SubnetId,
        Cidr,
        ReservationType: "explicit",
        Description: "mine",
        TagSpecifications: [{ ResourceType: "subnet-cidr-reservation", Tags: [{ Key: "team", Value: "a" }] }],
      });
    const { SubnetCidrReservation: made } = await reserve("10.0.0.8/29");
    assert.deepEqual(
      [made?.Cidr, made?.SubnetId, made?.ReservationType, made?.Description, made?.Tags],
      ["10.0.0.8/29", SubnetId, "explicit", "mine", [{ Key: "team", Value: "a" }]],
    );
    const address = async (PrivateIpAddress?: string) =>
      (
        await client.createNetworkInterface({
          SubnetId,
          ...(PrivateIpAddress !== undefined && { PrivateIpAddress }),
        })
      ).NetworkInterface?.PrivateIpAddress;
    const any = [await address(), await address(), await address(), await address()];
    assert.deepEqual(new Set(any), new Set(["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"]));
    await assert.rejects(address(), { name: "InsufficientFreeAddressesInSubnet" });
    assert.equal(await address("10.0.0.9"), "10.0.0.9");

    const found = await client.getSubnetCidrReservations({
      SubnetId,
      Filters: [{ Name: "tag:team", Values: ["a"] }],
    });
    assert.deepEqual(found.SubnetIpv4CidrReservations, [made]);
    const id = { SubnetCidrReservationId: made?.SubnetCidrReservationId };
    const { DeletedSubnetCidrReservation: gone } = await client.deleteSubnetCidrReservation(id);
    assert.deepEqual(gone, made);
    assert.match((await address()) ?? "", /^10\.0\.0\.(8|1\d)$/);
    await assert.rejects(client.deleteSubnetCidrReservation(id), {
      name: "InvalidSubnetCidrReservationID.NotFound",
    });
  },
);

test("of two reservations of one range made at once, one is made", limit, async (t) => {
  const { client, SubnetId } = await smallSubnet(t);
  const reserve = () =>
    client.createSubnetCidrReservation({ SubnetId, Cidr: "10.0.0.8/29", ReservationType: "prefix" });
  const attempts = await Promise.allSettled([reserve(), reserve(), reserve()]);
  const lost = attempts.flatMap((it) => (it.status === "rejected" ? [(it.reason as Error).message] : []));
  const overlaps = "Reservation CIDR 10.0.0.8/29 has overlap with existing reserved CIDR block";
  assert.deepEqual(lost, [overlaps, overlaps]);
});

test("each refusal has AWS's code, and a subnet with reservations stays", limit, async (t) => {
  const { client, store, SubnetId } = await smallSubnet(t);
  const reserve = (Cidr: string, subnet = SubnetId) =>
    client.createSubnetCidrReservation({ SubnetId: subnet, Cidr, ReservationType: "explicit" });
  await reserve("10.0.0.8/30");
  const before = (await store.list("")).revision;
  for (const [attempt, name] of [
    [() => reserve("10.0.0.8/29"), "InvalidParameterValue"],
    [() => reserve("10.0.1.0/29"), "InvalidParameterValue"],
    [() => reserve("10.0.0.0"), "InvalidParameterValue"],
    [() => reserve("fd00::/80"), "UnsupportedOperation"],
    [() => reserve("10.0.0.12/30", "subnet-0123456789abcdef0"), "InvalidSubnetID.NotFound"],
    [
      () => client.getSubnetCidrReservations({ SubnetId: "subnet-0123456789abcdef0" }),
      "InvalidSubnetID.NotFound",
    ],
    [() => client.deleteSubnet({ SubnetId }), "DependencyViolation"],
  ] satisfies [() => Promise<unknown>, string][])
    await assert.rejects(attempt, { name }, name);
  assert.equal((await store.list("")).revision, before);
});

/** 10.0.0.0/28: addresses 4 to 14 are free. */
async function smallSubnet(t: Parameters<typeof testRegion>[0]) {
  const region = await testRegion(t);
  const { Vpc } = await region.client.createVpc({ CidrBlock: "10.0.0.0/16" });
  const { Subnet } = await region.client.createSubnet({ VpcId: Vpc?.VpcId, CidrBlock: "10.0.0.0/28" });
  return { ...region, SubnetId: Subnet?.SubnetId ?? "" };
}
