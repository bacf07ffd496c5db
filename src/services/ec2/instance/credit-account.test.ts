import assert from "node:assert/strict";
import { test } from "node:test";
import { instanceTypes } from "../instance-type/instance-type.ts";
import {
  advanced,
  creditBalance,
  creditsPerHour,
  processorLimit,
  started,
  stopped,
  type CreditAccount,
  type CreditTerms,
} from "./credit-account.ts";

const hour = 3_600_000;
const micro: CreditTerms = { type: "t3.micro", cpus: 2, mode: "standard" };
const unlimited: CreditTerms = { ...micro, mode: "unlimited" };
const t2: CreditTerms = { type: "t2.micro", cpus: 1, mode: "standard" };

/** Runs `hours` with `load` of one processor in use. */
const run = (account: CreditAccount, terms: CreditTerms, hours: number, load = 0) =>
  advanced(account, terms, account.atMs + hours * hour, account.processorMs + load * hours * hour);
const rounded = (value: number) => Math.round(value * 1000) / 1000;

test("every burstable type earns what AWS's table says", () => {
  const table = {
    "t2.nano": 3, "t2.micro": 6, "t2.small": 12, "t2.medium": 24, "t2.large": 36, "t2.xlarge": 54, "t2.2xlarge": 81.6,
    "t3.nano": 6, "t3.micro": 12, "t3.small": 24, "t3.medium": 24, "t3.large": 36, "t3.xlarge": 96, "t3.2xlarge": 192,
  } as const; // prettier-ignore
  for (const [type, expected] of Object.entries(table))
    for (const id of type.startsWith("t3")
      ? [type, type.replace("t3", "t3a"), type.replace("t3", "t4g")]
      : [type]) {
      const known = instanceTypes.get(id);
      assert.ok(known?.burstable, id);
      assert.equal(rounded(creditsPerHour({ type: id, cpus: known.vcpus })), expected, id);
    }
  for (const { id, burstable, vcpus } of instanceTypes.values())
    if (burstable) assert.ok(creditsPerHour({ type: id, cpus: vcpus }) > 0, id);
});

test("an idle instance earns up to what a day earns", () => {
  let account = started(undefined, micro, 0);
  assert.equal(creditBalance(account), 0);
  account = run(account, micro, 1);
  assert.equal(rounded(creditBalance(account)), 12);
  assert.equal(rounded(creditBalance(run(account, micro, 100))), 288);
});

test("at its baseline it spends what it earns; above it, what it has", () => {
  const account = run(started(undefined, micro, 0), micro, 10);
  assert.equal(rounded(creditBalance(run(account, micro, 1, 0.2))), 120);
  assert.equal(rounded(creditBalance(run(account, micro, 1, 2))), 120 + 12 - 120);
  assert.equal(rounded(creditBalance(run(account, micro, 0.5, 1))), 120 + 6 - 30);
});

test("standard without credits is held at the baseline until it has earned for a minute", () => {
  const spent = run(started(undefined, micro, 0), micro, 0.1, 2);
  assert.equal(creditBalance(spent), 0);
  assert.equal(spent.surplus, 0);
  assert.equal(processorLimit(spent, micro, false), 0.2);
  assert.equal(processorLimit(run(spent, micro, 0.5 / 60), micro, true), 0.2);
  assert.equal(processorLimit(run(spent, micro, 1.5 / 60), micro, true), undefined);
  assert.equal(processorLimit(run(spent, micro, 0.5 / 60), micro, false), undefined);
  assert.equal(processorLimit(spent, unlimited, false), undefined);
});

test("unlimited goes into surplus, pays it back first, and is charged for more than a day's", () => {
  const busy = run(started(undefined, unlimited, 0), unlimited, 1, 2);
  assert.deepEqual([busy.earned, rounded(busy.surplus), busy.charged], [0, 108, 0]);
  const calmer = run(busy, unlimited, 4);
  assert.deepEqual([calmer.earned, rounded(calmer.surplus)], [0, 60]);
  const rested = run(calmer, unlimited, 6);
  assert.deepEqual([rounded(rested.earned), rested.surplus], [12, 0]);
  const long = run(busy, unlimited, 2, 2);
  assert.deepEqual([rounded(long.surplus), rounded(long.charged)], [288, 108 + 216 - 288]);
});

test("surplus is charged when the instance stops or becomes standard", () => {
  const busy = run(started(undefined, unlimited, 0), unlimited, 1, 2);
  assert.equal(rounded(stopped(busy, micro, busy.atMs).charged), 108);
  const standard = run(busy, micro, 1);
  assert.deepEqual([rounded(standard.earned), standard.surplus, rounded(standard.charged)], [12, 0, 108]);
});

test("T2 starts with launch credits, spends them first, and loses everything when it stops", () => {
  const first = started(undefined, t2, 0);
  assert.equal(first.launch, 30);
  const later = run(run(first, t2, 100), t2, 0.25, 1);
  assert.deepEqual([rounded(later.launch), rounded(later.earned)], [30 - 15 + 1.5, 144]);
  const off = stopped(later, t2, later.atMs);
  assert.equal(creditBalance(off), 0);
  assert.equal(creditBalance(started(off, t2, off.atMs)), 30);
  assert.equal(creditBalance(started(undefined, { ...t2, mode: "unlimited" }, 0)), 0);
});

test("others keep their credits for seven days", () => {
  const off = stopped(run(started(undefined, micro, 0), micro, 10), micro, 10 * hour);
  const day = 24 * hour;
  assert.equal(rounded(creditBalance(started(off, micro, off.atMs + 7 * day))), 120);
  assert.equal(creditBalance(started(off, micro, off.atMs + 7 * day + 1)), 0);
});

test("another process counts its processors' time from the beginning", () => {
  const account = run(started(undefined, micro, 0), micro, 10, 0.1);
  const rebooted = advanced(account, micro, account.atMs, 60_000);
  assert.equal(rounded(creditBalance(account) - creditBalance(rebooted)), 1);
});
