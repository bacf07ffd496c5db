import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { RegionSettings } from "#config.ts";
import { readChoices, readSettings, requireSettings, settle, writeSettings } from "./region-settings.ts";

const kept: RegionSettings = {
  accountId: "111122223333",
  region: "eu-central-1",
  port: 4600,
  publicPool: "198.18.0.0/16",
  machines: "qemu",
  imageAliases: [],
  throttled: false,
  capacity: { keptMemoryMiB: 2048, memoryOvercommit: 1 },
};
const noPool = (): never => assert.fail("a region that has its pool is not given another");

test("a new region takes what was chosen and the defaults for the rest", () => {
  assert.deepEqual(
    settle(undefined, { region: "eu-central-1" }, () => "198.19.0.0/16"),
    {
      accountId: "000000000000",
      region: "eu-central-1",
      port: 4566,
      publicPool: "198.19.0.0/16",
      machines: "qemu",
      imageAliases: [],
      throttled: false,
      capacity: { keptMemoryMiB: 2048, memoryOvercommit: 1 },
    },
  );
});

test("a later start without options is the region as it was", () => {
  assert.deepEqual(settle(kept, {}, noPool), kept);
  assert.deepEqual(settle(kept, { accountId: kept.accountId, region: kept.region }, noPool), kept);
});

test("the port and the image aliases of a region may change", () => {
  const imageAliases = [{ ids: "ami-*", image: "debian-12" }];
  assert.deepEqual(settle(kept, { port: 4700 }, noPool), { ...kept, port: 4700 });
  const aliased = settle(kept, { imageAliases }, noPool);
  assert.deepEqual(aliased, { ...kept, imageAliases });
  assert.deepEqual(settle(aliased, {}, noPool), aliased);
});

test("an image alias names ids and an image", () => {
  assert.deepEqual(readChoices({ "image-alias": ["ami-*=debian-12"] }).imageAliases, [
    { ids: "ami-*", image: "debian-12" },
  ]);
  for (const text of ["", "ami-1", "=debian-12", "ami-1=", "a=b=c"])
    assert.throws(() => readChoices({ "image-alias": [text] }), /--image-alias is IDS=IMAGE/, text);
});

test("what instances may be promised is chosen, and each part stays until it is chosen anew", () => {
  const more = settle(kept, readChoices({ "overcommit-memory": "1.5" }), noPool);
  assert.deepEqual(more.capacity, { keptMemoryMiB: 2048, memoryOvercommit: 1.5 });
  const less = settle(more, readChoices({ "keep-memory": "4096" }), noPool);
  assert.deepEqual(less.capacity, { keptMemoryMiB: 4096, memoryOvercommit: 1.5 });
  assert.deepEqual(settle(less, readChoices({}), noPool), less);
  assert.throws(() => readChoices({ "overcommit-memory": "0" }), /--overcommit-memory is a factor/);
  assert.throws(() => readChoices({ "keep-memory": "2GiB" }), /--keep-memory is a number of MiB/);
});

test("throttling is turned on, and off again at a later start", () => {
  const on = settle(kept, readChoices({ throttle: "on" }), noPool);
  assert.deepEqual(on, { ...kept, throttled: true });
  assert.equal(settle(on, readChoices({}), noPool).throttled, true);
  assert.equal(settle(on, readChoices({ throttle: "off" }), noPool).throttled, false);
  assert.throws(() => readChoices({ throttle: "yes" }), /--throttle is on or off/);
});

test("fake machines never become real ones, nor real ones fake", () => {
  assert.throws(() => settle(kept, { machines: "fake" }, noPool), /the machines qemu, not fake/);
  assert.throws(() => settle({ ...kept, machines: "fake" }, { machines: "qemu" }, noPool), /fake, not qemu/);
  assert.throws(() => readChoices({ machines: "kvm" }), /--machines is qemu or fake/);
});

test("a region keeps its account, name and addresses, and says which it has", () => {
  assert.throws(
    () => settle(kept, { accountId: "999999999999" }, noPool),
    /the account 111122223333, not 999999999999/,
  );
  assert.throws(() => settle(kept, { region: "us-east-1" }, noPool), /the name eu-central-1, not us-east-1/);
  assert.throws(() => settle(kept, { publicPool: "10.127.0.0/16" }, noPool), /198\.18\.0\.0\/16/);
});

test("options are read as they are written on the command line", () => {
  assert.deepEqual(readChoices({ "account-id": "012345678901", region: "us-gov-west-1", port: "4600" }), {
    accountId: "012345678901",
    region: "us-gov-west-1",
    port: 4600,
    publicPool: undefined,
    machines: undefined,
    imageAliases: undefined,
    throttled: undefined,
    realAws: undefined,
    outbound: undefined,
    outboundTo: undefined,
    importDir: undefined,
    importFrom: undefined,
    issuerFrom: undefined,
    exportDir: undefined,
    capacity: {},
    masterKeyFile: undefined,
    listen: undefined,
    tlsCert: undefined,
    tlsKey: undefined,
  });
});

test("an option that cannot be is refused by its name", () => {
  for (const accountId of ["1234", "12345678901a", ""]) {
    assert.throws(() => readChoices({ "account-id": accountId }), /--account-id is twelve digits/);
  }
  for (const region of ["Frankfurt", "us-east", "us_east_1", "../etc"]) {
    assert.throws(() => readChoices({ region }), /--region is a name such as/);
  }
  for (const port of ["0", "65536", "-1", "80a", "4566.5", ""]) {
    assert.throws(() => readChoices({ port }), /--port is a number/);
  }
  assert.throws(() => readChoices({ "public-pool": "198.18.1.0/16" }), /--public-pool is a network/);
});

test("settings outlive the program that wrote them; where there are none there is no region", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "croft-settings-"));
  t.after(() => rmSync(dir, { recursive: true }));
  assert.equal(readSettings(dir), undefined);
  assert.throws(() => requireSettings(dir), /there is no region at/);
  writeSettings(dir, kept);
  assert.deepEqual(requireSettings(dir), kept);
});

test("what instances reach beyond the region is chosen anew at any start", () => {
  const choices = readChoices({ outbound: "off", "outbound-to": ["192.168.1.0/24", "10.0.0.0/8"] });
  const chosen = { outbound: false, outboundTo: ["192.168.1.0/24", "10.0.0.0/8"] };
  assert.deepEqual(settle(kept, choices, noPool), { ...kept, ...chosen });
  assert.deepEqual(settle({ ...kept, ...chosen }, {}, noPool), { ...kept, ...chosen });
  const closed = settle({ ...kept, ...chosen }, readChoices({ "outbound-to": ["none"] }), noPool);
  assert.deepEqual(closed.outboundTo, []);
  for (const text of ["", "10.0.0.1/8", "lan", "fd00::/8", "10.0.0.0/8; accept"])
    assert.throws(() => readChoices({ "outbound-to": [text] }), /--outbound-to is a network/, text);
});
