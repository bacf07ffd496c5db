import assert from "node:assert/strict";
import { test } from "node:test";
import { regionWithOwn } from "#testing/own-image.ts";
import { testImage } from "#testing/region.ts";
import type { ImageRecord } from "./image.ts";
import { notedLaunch } from "./last-launched.ts";

test("an image tells when it was last launched, to the hour; launches of the same hour write nothing of it", async (t) => {
  const { region, own } = await regionWithOwn(t);
  const { client, records } = region;
  const told = async () =>
    (await client.describeImageAttribute({ ImageId: own.id, Attribute: "lastLaunchedTime" }))
      .LastLaunchedTime;
  assert.equal((await told())?.Value, undefined);
  const launch = (ImageId: string) =>
    client.runInstances({ ImageId, InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 });
  const begun = new Date().toISOString();
  await launch(own.id);
  const first = (await told())?.Value ?? "";
  assert.ok(begun <= first && first <= new Date().toISOString());
  const { revision } = records.entry("image", own.id) ?? {};
  await launch(own.id);
  await launch(testImage.id);
  assert.equal(records.entry("image", own.id)?.revision, revision);
  const mine = { ...own, ownerId: region.accountId };
  const at = (minutes: number) => () => new Date(Date.parse(first) + minutes * 60_000);
  assert.deepEqual(notedLaunch(mine, { records, now: at(59) }).put, []);
  const [put] = notedLaunch(mine, { records, now: at(60) }).put;
  assert.equal((put?.value as ImageRecord | undefined)?.lastLaunchedAt, at(60)().toISOString());
  assert.deepEqual(notedLaunch(testImage, { records, now: at(999) }).put, []);
});
