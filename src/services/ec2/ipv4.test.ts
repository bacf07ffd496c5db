import assert from "node:assert/strict";
import { test } from "node:test";
import { addressCount, canonicalCidr, contains, isAddress, toAddress, toNumber } from "./ipv4.ts";
import { canonicalIpv6Cidr } from "./ipv6.ts";

test("an address is four numbers up to 255 without leading zeros", () => {
  for (const text of ["0.0.0.0", "10.1.2.3", "255.255.255.255"]) assert.ok(isAddress(text), text);
  for (const text of [
    "",
    "10.1.2",
    "10.1.2.3.4",
    "10.1.2.256",
    "010.1.2.3",
    "10.1.2.-3",
    "a.b.c.d",
    "1.2.3.4 ",
  ])
    assert.ok(!isAddress(text), text);
});

test("addresses become numbers and back", () => {
  assert.equal(toNumber("10.0.0.1"), 0x0a000001);
  for (const address of ["0.0.0.0", "127.0.0.1", "198.18.255.254", "255.255.255.255"])
    assert.equal(toAddress(toNumber(address)), address);
});

test("a range holds its first and last address and no neighbour", () => {
  assert.equal(addressCount("172.31.16.0/20"), 4096);
  assert.ok(contains("172.31.16.0/20", "172.31.16.0"));
  assert.ok(contains("172.31.16.0/20", "172.31.31.255"));
  assert.ok(!contains("172.31.16.0/20", "172.31.15.255"));
  assert.ok(!contains("172.31.16.0/20", "172.31.32.0"));
});

const cidrs: readonly [text: string, canonical: string | undefined][] = [
  ["100.68.0.18/18", "100.68.0.0/18"],
  ["0.0.0.0/0", "0.0.0.0/0"],
  ["255.255.255.255/0", "0.0.0.0/0"],
  ["10.0.0.1/32", "10.0.0.1/32"],
  ["10.0.0.1", undefined],
  ["10.0.0.1/", undefined],
  ["10.0.0.1/33", undefined],
  ["10.0.0.1/-1", undefined],
  ["10.0.0.1/8/8", undefined],
  ["10.0.0/8", undefined],
  ["::/0", undefined],
];
for (const [text, canonical] of cidrs)
  test(`${text} ${canonical === undefined ? "is no IPv4 range" : `is the range ${canonical}`}`, () =>
    assert.equal(canonicalCidr(text), canonical));

const ipv6Cidrs: readonly [text: string, canonical: string | undefined][] = [
  ["::/0", "::/0"],
  ["0:0:0:0:0:0:0:0/0", "::/0"],
  ["2001:DB8::1/32", "2001:db8::/32"],
  ["2001:db8:ffff:ffff::1/50", "2001:db8:ffff:c000::/50"],
  ["2001:db8:0:0:1:0:0:1/128", "2001:db8::1:0:0:1/128"],
  ["::ffff:1.2.3.4/128", "::ffff:102:304/128"],
  ["1:2:3:4:5:6:7:8/127", "1:2:3:4:5:6:7:8/127"],
  ["::/129", undefined],
  ["::", undefined],
  ["::1%lo/128", undefined],
  ["1:2:3/64", undefined],
  ["10.0.0.0/8", undefined],
];
for (const [text, canonical] of ipv6Cidrs)
  test(`${text} ${canonical === undefined ? "is no IPv6 range" : `is the IPv6 range ${canonical}`}`, () =>
    assert.equal(canonicalIpv6Cidr(text), canonical));
