import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { request, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { IAM } from "@aws-sdk/client-iam";
import { signRequest, type Credentials } from "#auth/sign-request.ts";
import { BLOCK_BYTES } from "#drivers/disk/disk-driver.ts";
import { testRegion } from "#testing/region.ts";

const limit = { timeout: 20_000 };

test("a snapshot's blocks are listed, each with a token that reads it", limit, async (t) => {
  const { call, snapshotOf } = await scene(t);
  const id = await snapshotOf({ 0: "first", 5: "sixth", 6: "seventh" });
  const listed = await call(`/snapshots/${id}/blocks`);
  assert.equal(listed.status, 200);
  const { Blocks, BlockSize, VolumeSize, ExpiryTime, NextToken } = listed.json;
  assert.deepEqual([BlockSize, VolumeSize, NextToken], [BLOCK_BYTES, 1, undefined]);
  assert.ok(ExpiryTime * 1000 > Date.now());
  assert.deepEqual(indexes(Blocks), [0, 5, 6]);
  const block = await call(`/snapshots/${id}/blocks/5`, { blockToken: Blocks[1].BlockToken });
  assert.equal(block.body.toString("latin1", 0, 5), "sixth");
  assert.equal(block.body.length, BLOCK_BYTES);
  assert.deepEqual(
    ["x-amz-data-length", "x-amz-checksum-algorithm", "x-amz-checksum"].map((name) => block.headers[name]),
    [String(BLOCK_BYTES), "SHA256", createHash("sha256").update(block.body).digest("base64")],
  );
});

test("lists come in pages, and begin at any block", limit, async (t) => {
  const { call, snapshotOf } = await scene(t);
  const written = Array.from({ length: 250 }, (_, n) => 3 * n);
  const id = await snapshotOf(Object.fromEntries(written.map((index) => [index, `block ${index}`])));
  const path = `/snapshots/${id}/blocks`;
  const found: number[] = [];
  let pageToken: string | undefined;
  const sizes: number[] = [];
  do {
    const { json } = await call(path, { maxResults: "100", ...(pageToken && { pageToken }) });
    sizes.push(json.Blocks.length);
    found.push(...indexes(json.Blocks));
    pageToken = json.NextToken;
  } while (pageToken);
  assert.deepEqual([found, sizes], [written, [100, 100, 50]]);
  const from = async (startingBlockIndex: number) =>
    indexes((await call(path, { startingBlockIndex: String(startingBlockIndex) })).json.Blocks);
  assert.deepEqual([(await from(300))[0], (await from(301))[0], await from(748)], [300, 303, []]);
});

test(
  "of two snapshots exactly the changed blocks are named, and each can be read of both",
  limit,
  async (t) => {
    const { call, snapshotOf, snapshotAgain } = await scene(t);
    const first = await snapshotOf({ 0: "kept", 1: "before" });
    const second = await snapshotAgain({ 1: "after", 9: "new" });
    const path = `/snapshots/${second}/changedblocks`;
    const { ChangedBlocks: changed, VolumeSize } = (await call(path, { firstSnapshotId: first })).json;
    assert.deepEqual([indexes(changed), VolumeSize], [[1, 9], 1]);
    const [one, nine] = changed;
    assert.equal(nine.FirstBlockToken, undefined, "the first has nothing there");
    const text = async (id: string, blockToken: string) =>
      (await call(`/snapshots/${id}/blocks/1`, { blockToken })).body
        .toString("latin1", 0, 6)
        .replace("\0", "");
    assert.deepEqual(
      [await text(first, one.FirstBlockToken), await text(second, one.SecondBlockToken)],
      ["before", "after"],
    );
    const same = await call(`/snapshots/${first}/changedblocks`, { firstSnapshotId: first });
    assert.deepEqual(same.json.ChangedBlocks, []);
    assert.deepEqual(indexes((await call(path)).json.ChangedBlocks), [0, 1, 9]);
  },
);

test("a token reads one block of one snapshot, and nothing else", limit, async (t) => {
  const { call, snapshotOf, snapshotAgain } = await scene(t);
  const first = await snapshotOf({ 0: "a", 1: "b" });
  const second = await snapshotAgain({});
  const [{ BlockToken: token }] = (await call(`/snapshots/${first}/blocks`)).json.Blocks;
  const forged = Buffer.from(token, "base64");
  forged.writeUInt32BE(forged.readUInt32BE() + 1);
  for (const [path, blockToken] of [
    [`/snapshots/${first}/blocks/1`, token],
    [`/snapshots/${second}/blocks/0`, token],
    [`/snapshots/${first}/blocks/0`, forged.toString("base64")],
    [`/snapshots/${first}/blocks/0`, "AAAA"],
  ] as const)
    refused(await call(path, { blockToken }), "ValidationException", "INVALID_BLOCK_TOKEN");
  assert.equal((await call(`/snapshots/${first}/blocks/0`, { blockToken: token })).status, 200);
});

test(
  "what is not there, not complete, or not fit for each other is told by AWS's reasons",
  limit,
  async (t) => {
    const { call, snapshotOf, client, disks } = await scene(t);
    const id = await snapshotOf({ 0: "a" });
    const stranger = await snapshotOf({ 0: "a" });
    const none = "snap-0123456789abcdef0";
    const blocks = `/snapshots/${id}/blocks`;
    for (const path of [`/snapshots/${none}/blocks`, `/snapshots/${none}/changedblocks`])
      refused(await call(path), "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404);
    refused(await call("/snapshots/vol-1/blocks"), "ValidationException", "INVALID_SNAPSHOT_ID");
    refused(
      await call(`/snapshots/${id}/changedblocks`, { firstSnapshotId: stranger }),
      "ValidationException",
      "UNRELATED_SNAPSHOTS",
    );
    for (const pageToken of ["AAAA", Buffer.from(`${stranger} 0`).toString("base64")])
      refused(await call(blocks, { pageToken }), "ValidationException", "INVALID_PAGE_TOKEN");
    for (const maxResults of ["99", "10001"])
      refused(await call(blocks, { maxResults }), "ValidationException", undefined);
    refused(await call(`${blocks}/0`), "ValidationException", undefined);

    const held = Promise.withResolvers<void>();
    const snapshot = disks.snapshot.bind(disks);
    disks.snapshot = async (...args) => {
      await held.promise;
      return snapshot(...args);
    };
    const { VolumeId } = (await client.describeVolumes({})).Volumes?.[0] ?? {};
    const { SnapshotId: pending } = await client.createSnapshot({ VolumeId });
    refused(await call(`/snapshots/${pending}/blocks`), "ValidationException", "INVALID_SNAPSHOT_ID");
    held.resolve();
    await client.deleteSnapshot({ SnapshotId: id });
    refused(await call(blocks), "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404);
  },
);

test("snapshots are read only by whom a policy lets", limit, async (t) => {
  const { call, snapshotOf, iam, arnOf } = await scene(t);
  const [id, other] = [await snapshotOf({ 0: "a" }), await snapshotOf({ 0: "b" })];
  await iam.createUser({ UserName: "ada" });
  const { AccessKey: key } = await iam.createAccessKey({ UserName: "ada" });
  const ada = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
  const listing = async (snapshot: string) => call(`/snapshots/${snapshot}/blocks`, {}, ada);
  refused(await listing(id), "AccessDeniedException", undefined, 403);
  const Statement = { Effect: "Allow", Action: "ebs:ListSnapshotBlocks", Resource: arnOf(id) };
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement });
  await iam.putUserPolicy({ UserName: "ada", PolicyName: "reads", PolicyDocument });
  const { status, json } = await listing(id);
  assert.equal(status, 200);
  refused(await listing(other), "AccessDeniedException", undefined, 403);
  const blockToken = json.Blocks[0].BlockToken;
  refused(
    await call(`/snapshots/${id}/blocks/0`, { blockToken }, ada),
    "AccessDeniedException",
    undefined,
    403,
  );
});

test("snapshots are not written yet, and say so", limit, async (t) => {
  const { call } = await scene(t);
  refused(await call("/snapshots", {}, undefined, '{"VolumeSize":1}'), "UnsupportedOperation", undefined);
});

const indexes = (blocks: readonly { BlockIndex: number }[]) => blocks.map(({ BlockIndex }) => BlockIndex);

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  // oxlint-disable-next-line typescript/no-explicit-any -- each test knows what it asked for
  readonly json: any;
}

function refused({ status, headers, json }: Answer, name: string, reason: string | undefined, code = 400) {
  assert.deepEqual([headers["x-amzn-errortype"], json.Reason, status], [name, reason, code], json.message);
}

async function scene(t: TestContext) {
  const region = await testRegion(t);
  const { client, clientConfig, disks, records, until } = region;
  const iam = new IAM(clientConfig);
  t.after(() => iam.destroy());
  let volume = "";

  /** Signed as the SDKs do, which would also hide what stands on the wire. */
  async function call(
    path: string,
    query: Readonly<Record<string, string>> = {},
    credentials: Credentials = clientConfig.credentials,
    body = "",
  ): Promise<Answer> {
    const { host, port } = new URL(clientConfig.endpoint);
    const asked = {
      method: body ? "POST" : "GET",
      path,
      query: new URLSearchParams(query).toString(),
      headers: { host },
      body,
    };
    const signing = { credentials, region: clientConfig.region, service: "ebs", date: new Date() };
    const headers = signRequest(asked, signing);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request({ port, path: `${path}?${asked.query}`, method: asked.method, headers }, resolve);
      sent.on("error", reject).end(body);
    });
    const bytes = await buffer(response);
    const isJson = response.headers["content-type"] === "application/json";
    const json = isJson ? JSON.parse(bytes.toString()) : undefined;
    return { status: response.statusCode, headers: response.headers, body: bytes, json };
  }

  async function snapshotAgain(texts: Readonly<Record<number, string>>): Promise<string> {
    for (const [index, text] of Object.entries(texts)) disks.write(volume, text, Number(index));
    const { SnapshotId: id = "" } = await client.createSnapshot({ VolumeId: volume });
    await until(() => records.get("snapshot", id)?.so.completedAt !== undefined);
    return id;
  }

  /** Of a new volume of 1 GiB that holds these texts, by block. */
  async function snapshotOf(texts: Readonly<Record<number, string>>): Promise<string> {
    const made = await client.createVolume({ AvailabilityZone: "eu-central-1a", Size: 1 });
    volume = made.VolumeId ?? "";
    await until(() => records.get("volume", volume)?.so.ready === true);
    return snapshotAgain(texts);
  }

  const arnOf = (id: string) => `arn:aws:ec2:${clientConfig.region}::snapshot/${id}`;
  return { ...region, iam, call, snapshotOf, snapshotAgain, arnOf };
}
