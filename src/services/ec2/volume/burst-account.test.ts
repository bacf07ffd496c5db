import assert from "node:assert/strict";
import { test } from "node:test";
import { burstAccount, burstBalance, type BurstAccount } from "./burst-account.ts";
import { volumeLimits } from "./volume-limits.ts";

const gp2 = volumeLimits({ type: "gp2", sizeGiB: 100, iops: 300 });
const st1 = volumeLimits({ type: "st1", sizeGiB: 1024 });
const KiB = 1024;
const MiB = 1024 * KiB;

/** After `seconds` at `requests` of `bytes` a second. */
const after = (
  account: BurstAccount | undefined,
  seconds: number,
  requests: number,
  bytes: number,
  limits = gp2,
) => {
  const asked = (account?.asked ?? 0) / (limits === gp2 ? 1 : MiB);
  const traffic = { requests: asked + seconds * requests, bytes: seconds * requests * bytes };
  return burstAccount(account, limits, (account?.atMs ?? 0) + seconds * 1000, traffic);
};
const fresh = (limits = gp2) => burstAccount(undefined, limits, 0, { requests: 0, bytes: 0 });

test("gp2 at its burst spends its credits in half an hour, less what it earns, and has them again after hours at rest", () => {
  const spent = after(fresh(), 1000, 3000, 4 * KiB);
  assert.equal(burstBalance(spent), 50);
  assert.equal(burstBalance(after(spent, 1000, 3000, 4 * KiB)), 0);
  const rested = after(spent, 4500, 0, 0);
  assert.equal(burstBalance(rested), 75);
  assert.equal(burstBalance(after(rested, 86_400, 0, 0)), 100);
});

test("at its baseline it keeps what it has", () => {
  const spent = after(fresh(), 1000, 3000, 4 * KiB);
  assert.equal(burstBalance(after(spent, 3600, 300, 4 * KiB)), 50);
});

test("a request of a mebibyte counts as four", () => {
  const large = burstAccount(fresh(), gp2, 0, { requests: 1000, bytes: 1000 * MiB });
  assert.equal(large?.spent, 4000);
});

test("hard disks spend bytes", () => {
  const spent = burstAccount(fresh(st1), st1, 1000, { requests: 1, bytes: 250 * MiB });
  assert.equal(spent?.spent, 210 * MiB);
});

test("it begins anew with a machine that has asked for less than before, and when its limits change", () => {
  const spent = after(fresh(), 1000, 3000, 4 * KiB);
  const restarted = burstAccount(spent, gp2, 1_000_000, { requests: 540, bytes: 0 });
  assert.equal(restarted?.spent, 540);
  const larger = volumeLimits({ type: "st1", sizeGiB: 2048 });
  assert.equal(burstBalance(burstAccount(spent, larger, 1_000_000, { requests: 0, bytes: 9 })), 100);
});

test("volumes that need no credits have no account", () => {
  const gp3 = volumeLimits({ type: "gp3", sizeGiB: 8, iops: 3000 });
  assert.equal(burstAccount(undefined, gp3, 0, { requests: 0, bytes: 0 }), undefined);
});
