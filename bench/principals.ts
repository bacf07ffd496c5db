import { setTimeout as passed } from "node:timers/promises";
import type { Credentials } from "#auth/sign-request.ts";
import { runFakeHost } from "#fake/fake-host.ts";
import { seal } from "#sealed.ts";
import { newAccessKeyId } from "#services/iam/access-key-id.ts";
import { newUniqueId } from "#services/iam/names.ts";
import { IamRecords, type AccessKeyRecord, type UserRecord } from "#services/iam/records.ts";
import { secretPurpose } from "#services/iam/sign-in.ts";
import { random } from "#services/ec2/chance.ts";
import type { Transaction } from "#store/store.ts";
import { ownRegion, signed } from "./own-region.ts";
import { comparePairs, median, round } from "./pairs.ts";

/**
 * A small Describe and a launch, signed, by one of 100,000 users with a policy and a key each, against one of ten. Promise: a call costs the
 * same however many there are. Making them takes two minutes at most: then there are fewer, and it says so.
 */
const many = Number(process.argv[2] ?? 100_000);
const few = 10;
const madeWithinMs = 120_000;
/** By how much a ratio of two measurements of the same may be off. */
const noise = 1.1;

const allowing = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Action: ["ec2:Describe*", "ec2:RunInstances"], Resource: "*" },
});

const ec2 = { Version: "2016-11-15" };

const [crowd, handful] = [await peopled(many), await peopled(few)];
console.log(`${crowd.users} users were made in ${round(crowd.madeMs / 1000)} s`);
const measured = [
  await compare("a small Describe", "µs", (region) => () => describes(region)),
  await compare("a launch", "ms", (region) => () => launches(region)),
];
for (const { end } of [crowd, handful]) end();
const worst = Math.max(...measured.map(({ interval: [low] }) => low));
console.log(worst <= noise ? "the cost is flat" : `the cost is not flat: ${round(worst)} at the least`);
process.exit(worst <= noise ? 0 : 1);

type Peopled = Awaited<ReturnType<typeof peopled>>;

function compare(what: string, unit: string, of: (region: Peopled) => () => Promise<number>) {
  const sides = { ours: of(crowd), bare: of(handful) };
  return comparePairs(`${what} by one of ${crowd.users}`, unit, sides, 11, `one of ${few}`);
}

/** A region with a fake host and users, of whom the last one calls. */
async function peopled(wanted: number) {
  const region = await ownRegion();
  const { settings: home, store, feed, regions, disks, signal, log, sealingKey } = region;
  await runFakeHost({ store, feed, regions, home, disks, signal, log });
  const records = new IamRecords(feed, home.accountId);
  const begun = performance.now();
  let [users, revision] = [0, 0];
  let caller: Credentials | undefined;
  while (users < wanted && performance.now() - begun < madeWithinMs) {
    // A transaction writes 100 things at most.
    const put: NonNullable<Transaction["put"]>[number][] = [];
    for (let n = 0; n < 25 && users < wanted; n++, users++) {
      const { user, key, credentials } = somebody(users, home.accountId, sealingKey);
      put.push(...(records.create("iam-user", user).put ?? []), ...(records.addKey(user, key).put ?? []));
      caller = credentials;
    }
    ({ revision } = await store.commit({ put: [...new Map(put.map((it) => [it.key, it])).values()] }));
  }
  await feed.reached(revision);
  if (!caller) throw new Error("nobody was made");
  const madeMs = performance.now() - begun;
  const images = await region.call(caller, "ec2", { ...ec2, Action: "DescribeImages" });
  const [imageId = ""] = /\bami-\w+/.exec(images) ?? [];
  return { ...region, caller, users, madeMs, imageId };
}

function somebody(n: number, accountId: string, sealingKey: Buffer) {
  const createdAt = new Date().toISOString();
  const user: UserRecord = {
    id: newUniqueId("AIDA", random),
    name: `user-${n}`,
    path: "/",
    createdAt,
    tags: {},
    groups: [],
    attached: [],
    inline: { p: allowing },
  };
  const secretAccessKey = `secret of ${user.id}`;
  const id = newAccessKeyId("AKIA", accountId, random);
  const sealedSecret = seal(secretAccessKey, sealingKey, secretPurpose(id));
  const key: AccessKeyRecord = { id, userId: user.id, status: "Active", createdAt, sealedSecret };
  return { user, key, credentials: { accessKeyId: id, secretAccessKey } satisfies Credentials };
}

async function describes({ answer, caller }: Peopled): Promise<number> {
  const parameters = { ...ec2, Action: "DescribeRegions", "RegionName.1": "us-east-1" };
  const request = signed(caller, "ec2", parameters);
  return (await medianMs(1000, () => answer(request))) * 1000;
}

/** Each ends before the next: how many run is not what is measured. */
async function launches({ call, caller, root, imageId }: Peopled): Promise<number> {
  const launch = {
    ...ec2,
    Action: "RunInstances",
    ImageId: imageId,
    InstanceType: "t3.nano",
    MinCount: "1",
    MaxCount: "1",
  };
  const took: number[] = [];
  for (let n = 0; n < 20; n++) {
    const start = performance.now();
    const text = await call(caller, "ec2", launch);
    took.push(performance.now() - start);
    const [id = ""] = /\bi-[0-9a-f]{17}\b/.exec(text) ?? [];
    await call(root, "ec2", { ...ec2, Action: "TerminateInstances", "InstanceId.1": id });
    await passed(20);
  }
  return median(took);
}

async function medianMs(times: number, what: () => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < times; n++) {
    const start = performance.now();
    await what();
    took.push(performance.now() - start);
  }
  return median(took);
}
