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

test(
  "a snapshot that is shared is read by the other account, and no other account writes one",
  limit,
  async (t) => {
    const { call, snapshotOf, start, client, ...region } = await scene(t);
    const { clientConfig: other } = await region.newAccount("222233334444");
    const id = await snapshotOf({ 0: "ours" });
    const path = `/snapshots/${id}/blocks`;
    refused(await call(path, {}, other.credentials), "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404);
    await client.modifySnapshotAttribute({
      SnapshotId: id,
      CreateVolumePermission: { Add: [{ UserId: "222233334444" }] },
    });
    const [{ BlockToken: blockToken }] = (await call(path, {}, other.credentials)).json.Blocks;
    const { body } = await call(`${path}/0`, { blockToken }, other.credentials);
    assert.equal(body.toString("latin1", 0, 4), "ours");
    const pending: string = (await start({ VolumeSize: 1 })).json.SnapshotId;
    const sealing = { method: "POST", headers: { "x-amz-changedblockscount": "0" } };
    refused(
      await call(`/snapshots/completion/${pending}`, {}, other.credentials, "", sealing),
      "ResourceNotFoundException",
      "SNAPSHOT_NOT_FOUND",
      404,
    );
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

test("a snapshot is written block by block, and a volume made of it holds that", limit, async (t) => {
  const { call, start, put, complete, client, disks, records, until } = await scene(t);
  const started = await start({ VolumeSize: 1, Description: "by hand", Tags: [{ Key: "a", Value: "b" }] });
  const id: string = started.json.SnapshotId;
  const { Status, VolumeSize, BlockSize, Description, Tags, ParentSnapshotId } = started.json;
  assert.deepEqual(
    [started.status, Status, VolumeSize, BlockSize, Description, Tags, ParentSnapshotId],
    [201, "pending", 1, BLOCK_BYTES, "by hand", [{ Key: "a", Value: "b" }], undefined],
  );
  for (const [index, text] of [
    [7, "seven"],
    [0, "zero"],
    [7, "seven again"],
  ] as const) {
    const { status, headers } = await put(id, index, text);
    assert.deepEqual([status, headers["x-amz-checksum"]], [201, sum(block(text)).toString("base64")]);
  }
  refused(await call(`/snapshots/${id}/blocks`), "ValidationException", "INVALID_SNAPSHOT_ID");
  const checksum = sum(Buffer.concat([sum(block("zero")), sum(block("seven again"))])).toString("base64");
  const completed = await complete(id, 2, checksum);
  assert.deepEqual([completed.status, completed.json.Status], [202, "pending"]);
  await until(() => records.get("snapshot", id)?.so.completedAt !== undefined);
  assert.equal((await complete(id, 2, checksum)).json.Status, "completed");
  const { Snapshots: [shown] = [] } = await client.describeSnapshots({ SnapshotIds: [id] });
  assert.deepEqual([shown?.State, shown?.VolumeSize, shown?.Tags], ["completed", 1, Tags]);
  assert.deepEqual(indexes((await call(`/snapshots/${id}/blocks`)).json.Blocks), [0, 7]);
  const { VolumeId = "" } = await client.createVolume({
    AvailabilityZone: "eu-central-1a",
    SnapshotId: id,
  });
  await until(() => records.get("volume", VolumeId)?.so.ready === true);
  assert.equal(disks.read(VolumeId), "zero");
  assert.deepEqual(await disks.list(), [VolumeId]);
});

test("one is written over another, of which the rest stays, and which may go meanwhile", limit, async (t) => {
  const { call, start, put, complete, snapshotOf, client, records, until } = await scene(t);
  const parent = await snapshotOf({ 0: "kept", 1: "before" });
  const { json } = await start({ VolumeSize: 2, ParentSnapshotId: parent });
  const id: string = json.SnapshotId;
  assert.equal(json.ParentSnapshotId, parent);
  await put(id, 1, "after");
  await client.deleteSnapshot({ SnapshotId: parent });
  await until(() => records.get("snapshot", parent) === undefined);
  await put(id, 4095, "last");
  await complete(id, 2);
  await until(() => records.get("snapshot", id)?.so.completedAt !== undefined);
  const texts: string[] = [];
  for (const { BlockIndex, BlockToken: blockToken } of (await call(`/snapshots/${id}/blocks`)).json.Blocks) {
    const { body } = await call(`/snapshots/${id}/blocks/${BlockIndex}`, { blockToken });
    texts.push(`${BlockIndex} ${body.toString("latin1").replace(/\0+$/, "")}`);
  }
  assert.deepEqual(texts, ["0 kept", "1 after", "4095 last"]);
});

test(
  "a snapshot that is not what its writer says stays pending; a sealed one takes no more",
  limit,
  async (t) => {
    const { start, put, complete, records, until } = await scene(t);
    const id: string = (await start({ VolumeSize: 1 })).json.SnapshotId;
    await put(id, 3, "three");
    refused(await complete(id, 2), "ValidationException", "INVALID_PARAMETER_VALUE");
    const other = sum(block("three")).toString("base64");
    refused(await complete(id, 1, other), "ValidationException", "INVALID_PARAMETER_VALUE");
    assert.equal((await put(id, 4, "four")).status, 201);
    assert.equal((await complete(id, 2)).status, 202);
    refused(await put(id, 5, "five"), "ValidationException", "INVALID_SNAPSHOT_ID");
    await until(() => records.get("snapshot", id)?.so.completedAt !== undefined);
    refused(await put(id, 5, "five"), "ValidationException", "INVALID_SNAPSHOT_ID");
    refused(await complete(id, 3), "ValidationException", "INVALID_SNAPSHOT_ID");
  },
);

test("a block that is not as it is said to be is not written", limit, async (t) => {
  const { start, put, putAs, complete, snapshotOf } = await scene(t);
  const id: string = (await start({ VolumeSize: 1 })).json.SnapshotId;
  const whole = block("whole");
  const checksum = sum(whole).toString("base64");
  const length = String(BLOCK_BYTES);
  for (const [bytes, given] of [
    [block("other"), { checksum, length }],
    [
      whole.subarray(1),
      { checksum: sum(whole.subarray(1)).toString("base64"), length: `${BLOCK_BYTES - 1}` },
    ],
    [whole, { checksum, length: "512" }],
    [Buffer.alloc(0), { checksum, length }],
  ] as const)
    refused(await putAs(id, 0, bytes, given), "ValidationException", "INVALID_BLOCK");
  refused(await put(id, 2048, "beyond"), "ValidationException", "INVALID_BLOCK");
  refused(
    await put("snap-0123456789abcdef0", 0, "a"),
    "ResourceNotFoundException",
    "SNAPSHOT_NOT_FOUND",
    404,
  );
  refused(await put(await snapshotOf({}), 0, "a"), "ValidationException", "INVALID_SNAPSHOT_ID");
  assert.equal((await complete(id, 0)).status, 202);
});

test("what cannot be started is told by AWS's reasons, and nothing is there of it", limit, async (t) => {
  const { start, snapshotOf, records } = await scene(t);
  const parent = await snapshotOf({});
  const [before] = [records.all("snapshot").length];
  const none = "snap-0123456789abcdef0";
  for (const [input, name, reason, code] of [
    [{ VolumeSize: 0 }, "ValidationException", undefined, 400],
    [{ VolumeSize: 65_537 }, "ValidationException", "INVALID_VOLUME_SIZE", 400],
    [{ VolumeSize: 1, Timeout: 9 }, "ValidationException", undefined, 400],
    [{ VolumeSize: 1, ParentSnapshotId: none }, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", 404],
    [{ VolumeSize: 1, KmsKeyArn: "alias/none" }, "ValidationException", "INVALID_PARAMETER_VALUE", 400],
    [
      { VolumeSize: 1, Encrypted: false, ParentSnapshotId: parent },
      "ValidationException",
      "INVALID_PARAMETER_VALUE",
      400,
    ],
    [{ VolumeSize: 1, Tags: [{ Key: "aws:a", Value: "b" }] }, "ValidationException", "INVALID_TAG", 400],
  ] as const)
    refused(await start(input), name, reason, code);
  assert.equal(records.all("snapshot").length, before);
  for (let n = 0; n < 100; n++) assert.equal((await start({ VolumeSize: 1 })).status, 201);
  refused(await start({ VolumeSize: 1 }), "ConcurrentLimitExceededException", undefined);
});

test("the same token is the same snapshot, and of another request refused", limit, async (t) => {
  const { start, client, records, until } = await scene(t);
  const input = { VolumeSize: 1, ClientToken: "a".repeat(200) };
  const [one, again] = [await start(input), await start(input)];
  const id: string = one.json.SnapshotId;
  assert.equal(again.json.SnapshotId, id);
  refused(await start({ ...input, VolumeSize: 2 }), "ConflictException", undefined, 409);
  await client.deleteSnapshot({ SnapshotId: id });
  await until(() => records.get("snapshot", id) === undefined);
  assert.notEqual((await start(input)).json.SnapshotId, id);
});

test(
  "one that nobody completes fails at its time, which every block puts off; deleted, nothing is left",
  limit,
  async (t) => {
    const { start, put, complete, client, disks, records, until } = await scene(t);
    const id: string = (await start({ VolumeSize: 1, Timeout: 10 })).json.SnapshotId;
    await put(id, 0, "a");
    let [looks, agoMinutes] = [0, 9];
    const written = disks.written.bind(disks);
    disks.written = async (diskId) => {
      looks++;
      const lastAt = new Date(Date.now() - agoMinutes * 60_000).toISOString();
      return { ...(await written(diskId)), lastAt };
    };
    // It is looked at when anything of it changes.
    const look = (n: number) =>
      client.createTags({ Resources: [id], Tags: [{ Key: "look", Value: String(n) }] });
    await look(1);
    await until(() => looks > 0);
    assert.equal((await put(id, 1, "b")).status, 201);
    agoMinutes = 11;
    await look(2);
    await until(() => records.get("snapshot", id)?.so.failed !== undefined);
    const { Snapshots: [shown] = [] } = await client.describeSnapshots({ SnapshotIds: [id] });
    assert.equal(shown?.State, "error");
    assert.match(shown?.StateMessage ?? "", /within 10 minutes/);
    refused(await put(id, 2, "c"), "ValidationException", "INVALID_SNAPSHOT_ID");
    refused(await complete(id, 2), "ValidationException", "INVALID_SNAPSHOT_ID");
    assert.deepEqual(await disks.list(), []);
    await client.deleteSnapshot({ SnapshotId: id });
    const cancelled: string = (await start({ VolumeSize: 1 })).json.SnapshotId;
    await put(cancelled, 0, "a");
    await client.deleteSnapshot({ SnapshotId: cancelled });
    await until(() => records.all("snapshot").length === 0);
    assert.deepEqual([await disks.list(), await disks.snapshots()], [[], []]);
  },
);

test(
  "snapshots are written only by whom a policy lets, who must be allowed to tag them too",
  limit,
  async (t) => {
    const { call, iam, arnOf, start } = await scene(t);
    await iam.createUser({ UserName: "ada" });
    const { AccessKey: key } = await iam.createAccessKey({ UserName: "ada" });
    const ada = { accessKeyId: key?.AccessKeyId ?? "", secretAccessKey: key?.SecretAccessKey ?? "" };
    const may = (...Action: string[]) =>
      iam.putUserPolicy({
        UserName: "ada",
        PolicyName: "writes",
        PolicyDocument: JSON.stringify({
          Version: "2012-10-17",
          Statement: { Effect: "Allow", Action, Resource: arnOf("*") },
        }),
      });
    const starting = (input: object) => call("/snapshots", {}, ada, JSON.stringify(input));
    refused(await starting({ VolumeSize: 1 }), "AccessDeniedException", undefined, 403);
    await may("ebs:StartSnapshot");
    assert.equal((await starting({ VolumeSize: 1 })).status, 201);
    const tagged = { VolumeSize: 1, Tags: [{ Key: "a", Value: "b" }] };
    refused(await starting(tagged), "AccessDeniedException", undefined, 403);
    await may("ebs:StartSnapshot", "ec2:CreateTags");
    assert.equal((await starting(tagged)).status, 201);
    const id: string = (await start({ VolumeSize: 1 })).json.SnapshotId;
    const sealing = await call(`/snapshots/completion/${id}`, {}, ada, "", {
      method: "POST",
      headers: { "x-amz-changedblockscount": "0" },
    });
    refused(sealing, "AccessDeniedException", undefined, 403);
  },
);

const sum = (bytes: Buffer) => createHash("sha256").update(bytes).digest();
const block = (text: string) => {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  bytes.write(text);
  return bytes;
};

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
    body: string | Buffer = "",
    sent: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Answer> {
    const { host, port } = new URL(clientConfig.endpoint);
    const asked = {
      method: sent.method ?? (body ? "POST" : "GET"),
      path,
      query: new URLSearchParams(query).toString(),
      headers: { host, ...sent.headers },
      body,
    };
    const signing = { credentials, region: clientConfig.region, service: "ebs", date: new Date() };
    const headers = signRequest(asked, signing);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const made = request({ port, path: `${path}?${asked.query}`, method: asked.method, headers }, resolve);
      made.on("error", reject).end(body);
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

  const start = (input: object) => call("/snapshots", {}, undefined, JSON.stringify(input));
  const put = (id: string, index: number, text: string) =>
    putAs(id, index, block(text), {
      checksum: sum(block(text)).toString("base64"),
      length: String(BLOCK_BYTES),
    });
  const putAs = (
    id: string,
    index: number,
    bytes: Buffer,
    { checksum, length }: { readonly checksum: string; readonly length: string },
  ) =>
    call(`/snapshots/${id}/blocks/${index}`, {}, undefined, bytes, {
      method: "PUT",
      headers: {
        "x-amz-data-length": length,
        "x-amz-checksum": checksum,
        "x-amz-checksum-algorithm": "SHA256",
      },
    });
  const complete = (id: string, count: number, checksum?: string) =>
    call(`/snapshots/completion/${id}`, {}, undefined, "", {
      method: "POST",
      headers: {
        "x-amz-changedblockscount": String(count),
        ...(checksum && {
          "x-amz-checksum": checksum,
          "x-amz-checksum-algorithm": "SHA256",
          "x-amz-checksum-aggregation-method": "LINEAR",
        }),
      },
    });

  const arnOf = (id: string) => `arn:aws:ec2:${clientConfig.region}::snapshot/${id}`;
  return { ...region, iam, call, snapshotOf, snapshotAgain, start, put, putAs, complete, arnOf };
}
