import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { SignedIn } from "#auth/verify-signature.ts";
import { startFeed, type Feed } from "#store/feed.ts";
import { StoreFull, type Store } from "#store/store.ts";
import { FakeClock } from "#testing/fake-clock.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import { loadWireService } from "#wire/wire-service.ts";
import type { AnsweredCall } from "./answered-call.ts";
import { apiChain, served } from "./chain.ts";
import { ApiError } from "./error.ts";
import type { Operation } from "./operation.ts";
import { rootCaller } from "./caller.ts";

const limit = { timeout: 10_000 };
const wire = loadWireService("ec2");

test(
  "a call for which the disk has no room is told so, by an error that clients try again after",
  limit,
  async (t) => {
    const chain = await withOperation(t, {
      resolve: () => {
        throw new StoreFull("there is no room on the store's disk");
      },
      answer: () => assert.fail("answered"),
    });
    const { status, body } = await chain.call("Action=DescribeVpcs");
    assert.equal(status, 503);
    assert.match(
      body,
      /<Code>ServiceUnavailable<\/Code><Message>The disk of this region is full, and nothing was changed/,
    );
    assert.deepEqual(chain.log, ["request req-1: there is no room on the store's disk"]);
  },
);

test("an operation resolves, commits, then answers from what the store then holds", limit, async (t) => {
  const chain = await withOperation(t, {
    resolve: () => ({ touches: [], transaction: { put: [{ key: "vpc/1", value: "vpc-1" }] } }),
    answer: (_plan, { feed }) => ({ Vpcs: [{ VpcId: feed.get<string>("vpc/1")?.value }] }),
  });
  assert.match((await chain.call("Action=DescribeVpcs")).body, /<vpcId>vpc-1<\/vpcId>/);
});

test("what costs to write is made once the call is allowed, and not for a dry run", limit, async (t) => {
  let made = 0;
  const chain = await withOperation(t, {
    resolve: () => ({
      touches: [],
      refusal: made > 0 ? new ApiError("VpcLimitExceeded", "once is enough") : undefined,
      costly: async () => ({ put: [{ key: "vpc/1", value: ++made }] }),
    }),
    answer: (_plan, { feed }) => ({ Vpcs: [{ VpcId: String(feed.get<number>("vpc/1")?.value) }] }),
  });
  await chain.call("Action=DescribeVpcs&DryRun=true");
  assert.equal(made, 0);
  assert.match((await chain.call("Action=DescribeVpcs")).body, /<vpcId>1<\/vpcId>/);
  assert.match((await chain.call("Action=DescribeVpcs")).body, /VpcLimitExceeded/);
  assert.equal(made, 1);
});

test("a dry run says that it would have succeeded, and writes nothing", limit, async (t) => {
  const chain = await withOperation(t, {
    resolve: () => ({ touches: [], transaction: { put: [{ key: "vpc/1", value: 1 }] } }),
    answer: () => assert.fail("answered"),
  });
  const { status, body } = await chain.call("Action=DescribeVpcs&DryRun=true");
  assert.equal(status, 412);
  assert.match(body, /<Code>DryRunOperation<\/Code>/);
  assert.equal(await chain.store.get("vpc/1"), undefined);
});

test("a dry run of what would fail says why", limit, async (t) => {
  const chain = await withOperation(t, {
    resolve: () => {
      throw new ApiError("InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist");
    },
    answer: () => assert.fail("answered"),
  });
  const { status, body } = await chain.call("Action=DescribeVpcs&DryRun=true");
  assert.equal(status, 400);
  assert.match(body, /<Code>InvalidVpcID.NotFound<\/Code><Message>The vpc ID 'vpc-1' does not exist</);
});

test("a commit that loses a race is resolved anew, against what the winner wrote", limit, async (t) => {
  const seen: unknown[] = [];
  const chain = await withOperation(t, {
    async resolve(_input, { feed, store }) {
      const entry = feed.get<number>("counter/1");
      seen.push(entry?.value);
      if (seen.length === 1) await store.commit({ put: [{ key: "counter/1", value: 7 }] });
      const expect = entry ? { at: ["counter/1", entry.revision] as const } : { absent: "counter/1" };
      return {
        touches: [],
        transaction: { expect: [expect], put: [{ key: "counter/1", value: (entry?.value ?? 0) + 1 }] },
      };
    },
    answer: () => ({}),
  });
  assert.equal((await chain.call("Action=DescribeVpcs")).status, 200);
  assert.deepEqual(seen, [undefined, 7]);
  assert.equal((await chain.store.get("counter/1"))?.value, 8);
});

test("a commit that can never win ends, and the caller may try again later", limit, async (t) => {
  const chain = await withOperation(t, {
    resolve: () => ({ touches: [], transaction: { expect: [{ exists: "vpc/none" }] } }),
    answer: () => assert.fail("answered"),
  });
  const { status, body } = await chain.call("Action=DescribeVpcs");
  assert.equal(status, 503);
  assert.match(body, /<Code>RequestLimitExceeded<\/Code>/);
});

test(
  "the caller of what broke learns nothing of how; the operator does, with the request's id",
  limit,
  async (t) => {
    const chain = await withOperation(t, {
      resolve: () => {
        throw new Error("disk on fire at /var/lib/secret");
      },
      answer: () => ({}),
    });
    const { status, body } = await chain.call("Action=DescribeVpcs");
    assert.equal(status, 500);
    assert.match(body, /<Code>InternalError<\/Code>/);
    assert.doesNotMatch(body, /fire|secret/);
    assert.match(chain.log.join(), /request req-1: Error: disk on fire/);
  },
);

test("every call is told of once it is answered, with what came of it", limit, async (t) => {
  const chain = await withOperation(t, {
    resolve: () => ({ touches: [] }),
    answer: () => ({ Vpcs: [{ VpcId: "vpc-1" }] }),
  });
  await chain.call("Action=DescribeVpcs&MaxResults=5");
  await chain.call("Action=DescribeVpcs&Colour=red");
  await chain.call("Action=CreateVpc&CidrBlock=10.0.0.0%2F16");
  assert.deepEqual(
    chain.answered.map(({ operation, input, output, error }) => [operation, input, output, error?.code]),
    [
      ["DescribeVpcs", { MaxResults: 5 }, { Vpcs: [{ VpcId: "vpc-1" }] }, undefined],
      [undefined, undefined, undefined, "UnknownParameter"],
      ["CreateVpc", undefined, undefined, "UnsupportedOperation"],
    ],
  );
  assert.ok(
    chain.answered.every((it) => it.signedIn?.accessKeyId === "AKIATEST" && it.requestId === "req-1"),
  );
});

test("errors of the caller are not the operator's", limit, async (t) => {
  const chain = await withOperation(t, { resolve: () => ({ touches: [] }), answer: () => ({}) });
  await chain.call("Action=Nothing");
  assert.deepEqual(chain.log, []);
});

const refused: readonly [
  what: string,
  request: string,
  signedIn: Partial<SignedIn>,
  status: number,
  code: string,
  words: RegExp,
][] = [
  [
    "an operation that AWS does not have",
    "Action=DescribeUnicorns",
    {},
    400,
    "InvalidAction",
    /DescribeUnicorns/,
  ],
  [
    "one named like a property of every object",
    "Action=constructor",
    {},
    400,
    "InvalidAction",
    /constructor/,
  ],
  [
    "an operation that Croft does not serve",
    "Action=CreateVpc&CidrBlock=10.0.0.0%2F16",
    {},
    400,
    "UnsupportedOperation",
    /ec2:CreateVpc/,
  ],
  [
    "a service that Croft does not serve",
    "Action=DescribeVpcs",
    { service: "s3" },
    400,
    "UnsupportedOperation",
    /'s3'/,
  ],
  [
    "a region that AWS does not have",
    "Action=DescribeVpcs",
    { region: "us-nowhere-1" },
    401,
    "AuthFailure",
    /not 'us-nowhere-1'/,
  ],
  [
    "a parameter that the operation does not have",
    "Action=DescribeVpcs&Colour=red",
    {},
    400,
    "UnknownParameter",
    /Colour/,
  ],
];
for (const [what, request, signedIn, status, code, words] of refused)
  test(`${what} is refused by name`, limit, async (t) => {
    const operation = { resolve: () => assert.fail("resolved"), answer: () => ({}) };
    const chain = await withOperation(t, operation, signedIn);
    const answer = await chain.call(request);
    assert.equal(answer.status, status);
    assert.match(answer.body, new RegExp(`<Code>${code}</Code>`));
    assert.match(answer.body, words);
    assert.match(answer.body, /<RequestID>req-1</);
  });

test("a request that is not signed is not looked at", limit, async (t) => {
  const chain = await withOperation(t, { resolve: () => assert.fail("resolved"), answer: () => ({}) }, () => {
    throw new ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", {
      status: 401,
    });
  });
  const { status, body } = await chain.call("Action=DescribeVpcs");
  assert.equal(status, 401);
  assert.match(body, /<Code>AuthFailure<\/Code>/);
});

interface Context {
  readonly store: Store;
  readonly feed: Feed;
}

/** A chain whose DescribeVpcs is `operation`. */
async function withOperation(
  t: TestContext,
  operation: Operation<never, object, Context>,
  signedIn: Partial<SignedIn> | (() => SignedIn) = {},
) {
  const ending = new AbortController();
  const store = openMemoryStore();
  t.after(() => store.close());
  t.after(() => ending.abort());
  const feed = await startFeed(store, ending.signal);
  const log: string[] = [];
  const answered: AnsweredCall[] = [];
  const handle = apiChain({
    services: new Map([served(wire, { DescribeVpcs: operation }, () => ({ store, feed }))]),
    fallback: wire,
    isRegion: (name) => name === "eu-central-1",
    home: { accountId: "111122223333", region: "eu-central-1" },
    signIn: () =>
      typeof signedIn === "function"
        ? signedIn()
        : {
            accessKeyId: "AKIATEST",
            region: "eu-central-1",
            service: "ec2",
            caller: rootCaller("111122223333", "AKIATEST"),
            ...signedIn,
          },
    authorise: () => {},
    store,
    feed,
    clock: new FakeClock(),
    answered: (call) => void answered.push(call),
    log: (line) => void log.push(line),
  });
  return {
    store,
    log,
    answered,
    async call(parameters: string) {
      const body = Buffer.from(`${parameters}&Version=2016-11-15`);
      const headers = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
      const answer = await handle({
        method: "POST",
        path: "/",
        query: "",
        headers,
        body,
        requestId: "req-1",
        remoteAddress: "127.0.0.1",
      });
      const text = Buffer.concat([answer.body].flat().map((piece) => Buffer.from(Object(piece)))).toString();
      return { status: answer.status, body: text.replaceAll("&apos;", "'") };
    },
  };
}
