import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decide, type PolicyRequest } from "./decide.ts";
import { MalformedPolicy, parsePolicy } from "./policy-document.ts";

type Context = Readonly<Record<string, string | readonly string[]>>;

const policy = (statement: object, version = "2012-10-17") =>
  parsePolicy(JSON.stringify({ Version: version, Statement: statement }), "identity");

const request = (context: Context = {}, more: Partial<PolicyRequest> = {}): PolicyRequest => ({
  action: "s3:GetObject",
  resource: "arn:aws:s3:::box/key",
  context: new Map(Object.entries(context).map(([key, it]) => [key.toLowerCase(), [it].flat()])),
  ...more,
});

const everything = { Effect: "Allow", Action: "*", Resource: "*" };
/** Whether a statement with the condition applies. */
const holds = (condition: object, context: Context = {}, version?: string) =>
  decide(request(context), { identity: [policy({ ...everything, Condition: condition }, version)] })
    .decision === "allowed";

describe("a condition", () => {
  test("asks of several values whether any, or all, are among those it names", () => {
    const any = { "ForAnyValue:StringEquals": { "aws:TagKeys": ["a", "b"] } };
    const all = { "ForAllValues:StringEquals": { "aws:TagKeys": ["a", "b"] } };
    assert.deepEqual(
      [["a", "c"], ["a", "b"], ["c"], []].map((keys) => [
        holds(any, { "aws:TagKeys": keys }),
        holds(all, { "aws:TagKeys": keys }),
      ]),
      [
        [true, false],
        [true, true],
        [false, false],
        [false, true],
      ],
    );
    assert.equal(
      holds({ "ForAnyValue:StringNotEquals": { "aws:TagKeys": "a" } }, { "aws:TagKeys": ["a", "c"] }),
      true,
    );
    assert.equal(
      holds({ "ForAllValues:StringNotLike": { "aws:TagKeys": "a*" } }, { "aws:TagKeys": ["b", "ab"] }),
      false,
    );
  });

  test("takes dates as ISO 8601 and as seconds since 1970", () => {
    const now = { "aws:CurrentTime": "2026-01-01T00:00:00Z" };
    assert.equal(holds({ DateEquals: { "aws:CurrentTime": "1767225600" } }, now), true);
    assert.equal(holds({ DateLessThan: { "aws:CurrentTime": "1767225600" } }, now), false);
    assert.equal(holds({ DateLessThan: { "aws:CurrentTime": "soon" } }, now), false);
  });

  test("takes addresses alone, whole ranges and both families", () => {
    const from = { "aws:SourceIp": "203.0.113.9" };
    assert.equal(holds({ IpAddress: { "aws:SourceIp": "0.0.0.0/0" } }, from), true);
    assert.equal(holds({ IpAddress: { "aws:SourceIp": "203.0.113.9" } }, from), true);
    assert.equal(holds({ IpAddress: { "aws:SourceIp": "2001:db8::/32" } }, from), false);
    assert.equal(holds({ NotIpAddress: { "aws:SourceIp": "203.0.113.8" } }, from), true);
    assert.equal(holds({ IpAddress: { "aws:SourceIp": "203.0.113.0/240" } }, from), false);
  });

  test("compares what is no number with nothing", () => {
    assert.equal(holds({ NumericLessThan: { "s3:max-keys": "10" } }, { "s3:max-keys": "" }), false);
    assert.equal(holds({ NumericLessThan: { "s3:max-keys": "10" } }, { "s3:max-keys": "0x1" }), false);
    assert.equal(holds({ NumericNotEquals: { "s3:max-keys": "10" } }, { "s3:max-keys": "many" }), true);
  });

  test("of an older policy means what it says, variables or not", () => {
    const named = { StringLike: { "aws:username": "${aws:username}" } };
    assert.equal(holds(named, { "aws:username": "ada" }), true);
    assert.equal(holds(named, { "aws:username": "ada" }, "2008-10-17"), false);
    assert.equal(holds(named, { "aws:username": "${aws:username}" }, "2008-10-17"), true);
  });
});

describe("a policy", () => {
  test("takes what a request says for itself, and for no wildcard", () => {
    const own = policy({ ...everything, Resource: "arn:aws:s3:::box/${aws:username}" });
    const decided = (name: string, resource: string) =>
      decide(request({ "aws:username": name }, { resource }), { identity: [own] }).decision;
    assert.equal(decided("ada", "arn:aws:s3:::box/ada"), "allowed");
    assert.equal(decided("*", "arn:aws:s3:::box/eve"), "implicitDeny");
    assert.equal(decided("\uE000", "arn:aws:s3:::box/eve"), "implicitDeny");
  });

  test("of any level of an organisation limits everybody below it, also whom a resource names", () => {
    const open = policy(everything);
    const reads = policy({ ...everything, Action: "s3:Get*" });
    const noReads = policy({ ...everything, Effect: "Deny", Action: "s3:Get*" });
    const principal = "arn:aws:iam::111122223333:user/ada";
    const resource = parsePolicy(
      JSON.stringify({
        Version: "2012-10-17",
        Statement: { ...everything, Principal: { AWS: principal } },
      }),
      "resource",
    );
    const decided = (action: string, ...organisation: ReturnType<typeof policy>[][]) =>
      decide(request({}, { action, principal }), { identity: [open], organisation, resource });
    assert.equal(decided("s3:GetObject", [open], [reads]).decision, "allowed");
    const put = decided("s3:PutObject", [open], [reads]);
    assert.deepEqual([put.decision, put.allowedByOrganisation], ["implicitDeny", false]);
    const denied = decided("s3:GetObject", [open, noReads], [open]);
    assert.deepEqual([denied.decision, denied.deniedBy], ["explicitDeny", "organisation"]);
    assert.equal(
      decided("s3:GetObject", []).decision,
      "implicitDeny",
      "a level without policies allows nothing",
    );
  });

  test("that is hostile is decided all the same", { timeout: 30_000 }, () => {
    const identity = [policy({ ...everything, Resource: `arn:${"*a".repeat(500)}b` })];
    const resource = `arn:aws:s3:::${"a".repeat(2000)}`;
    assert.equal(decide(request({}, { resource }), { identity }).decision, "implicitDeny");
  });

  for (const [what, document, message] of [
    ["that is no JSON", "{", "Syntax errors in policy."],
    ["with a name twice", '{"Statement":[],"Statement":[]}', "Syntax errors in policy."],
    ["of an unknown version", { Version: "2020-01-01", Statement: everything }, "Syntax errors in policy."],
    [
      "with an unknown element",
      { Statement: { ...everything, Effects: "Deny" } },
      "Syntax errors in policy.",
    ],
    ["that is deep", `{"Statement":${"[".repeat(50_000)}`, "Syntax errors in policy."],
    [
      "without an action",
      { Statement: { Effect: "Allow", Resource: "*" } },
      "Policy statement must contain actions.",
    ],
    [
      "without a resource",
      { Statement: { Effect: "Allow", Action: "*" } },
      "Policy statement must contain resources.",
    ],
    [
      "with an action of no service",
      { Statement: { ...everything, Action: "GetObject" } },
      "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
    ],
    [
      "with a resource that is no ARN",
      { Statement: { ...everything, Resource: "box" } },
      'Resource box must be in ARN format or "*".',
    ],
    [
      "with a principal",
      { Statement: { ...everything, Principal: "*" } },
      "Policy document should not specify a principal.",
    ],
    [
      "with one Sid twice",
      { Statement: [1, 2].map(() => ({ ...everything, Sid: "A" })) },
      "Statement IDs (SID) in a single policy must be unique.",
    ],
    [
      "with an unknown operator",
      { Statement: { ...everything, Condition: { StringIs: { "aws:username": "ada" } } } },
      "Invalid Condition type : StringIs.",
    ],
  ] as const)
    test(`${what} is refused in AWS's words`, () => {
      const text = typeof document === "string" ? document : JSON.stringify(document);
      assert.throws(
        () => parsePolicy(text, "identity"),
        (error) => {
          assert.ok(error instanceof MalformedPolicy);
          assert.equal(error.message, message);
          return true;
        },
      );
    });
});
