import assert from "node:assert/strict";
import { test } from "node:test";
import { runSimulation } from "@cloud-copilot/iam-simulate";
import * as fc from "fast-check";
import { decide } from "./decide.ts";
import { parsePolicy } from "./policy-document.ts";

/** Requests of one user, and of one of another account, on few names, so that policies made by chance often mean them. */
const account = "111122223333";
const principals = [`arn:aws:iam::${account}:user/ada`, "arn:aws:iam::444455556666:user/eve"];
const actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"];
const resources = ["arn:aws:s3:::box/ada/1", "arn:aws:s3:::box/eve", "arn:aws:s3:::other/a"];

const oneOrMore = (values: readonly string[]) =>
  fc.oneof(
    fc.constantFrom(...values),
    fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 }),
  );
const patterns = {
  actions: [...actions, "*", "s3:*", "s3:Get*", "S3:getobject", "s3:???Object", "ec2:*"],
  resources: [
    ...resources,
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::box/*",
    "arn:aws:s3:::box/${aws:username}/*",
    "arn:aws:s3:::b?x/e*",
    "arn:aws:s3:::other/${$}a",
    "arn:aws:s3:::box/${aws:PrincipalTag/none, 'eve'}",
    "arn:*:s3:::box/${aws:none}",
  ],
};
const keys: Readonly<Record<string, readonly string[]>> = {
  "aws:username": ["ada", "eve"],
  "aws:SourceIp": ["198.51.100.7", "203.0.113.9", "2001:db8::1"],
  "aws:CurrentTime": ["2026-01-01T00:00:00Z", "2026-06-01T12:00:00Z"],
  "aws:MultiFactorAuthAge": ["5", "300"],
  "aws:SecureTransport": ["true", "false"],
  "aws:PrincipalArn": principals,
  "aws:PrincipalTag/team": ["Red", "red", "re*d", "blue"],
};
const operators: Readonly<Record<string, { keys: readonly string[]; values: readonly string[] }>> = {
  String: {
    keys: ["aws:username", "AWS:UserName", "aws:PrincipalTag/team"],
    values: ["ada", "ADA", "a*", "?ve", "red", "Red", "re*d", "${aws:username}", "${aws:none, 'blue'}"],
  },
  IpAddress: {
    keys: ["aws:SourceIp"],
    values: ["198.51.100.0/24", "203.0.113.9/32", "128.0.0.0/1", "2001:db8::/32"],
  },
  Date: {
    keys: ["aws:CurrentTime"],
    values: ["2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-06-01T12:00:00.000Z"],
  },
  Numeric: { keys: ["aws:MultiFactorAuthAge"], values: ["5", "60", "300.0"] },
  Bool: { keys: ["aws:SecureTransport"], values: ["true", "False"] },
  Arn: {
    keys: ["aws:PrincipalArn"],
    values: [
      ...principals,
      "arn:aws:iam::*:user/*",
      "arn:aws:iam::111122223333:*",
      "arn:aws:iam::*:user/${aws:username}",
    ],
  },
};
const names: Readonly<Record<string, readonly string[]>> = {
  String: [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
  ],
  IpAddress: ["IpAddress", "NotIpAddress"],
  Date: [
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
  ],
  Numeric: [
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
  ],
  Bool: ["Bool"],
  Arn: ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
};

const condition = fc.constantFrom(...Object.keys(operators)).chain((type) =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(
        fc
          .tuple(fc.constantFrom(...names[type]!), fc.constantFrom("", "IfExists"))
          .map(([name, more]) => name + more),
        fc.constantFrom(...operators[type]!.keys),
        oneOrMore(operators[type]!.values),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(
        fc.constant("Null"),
        fc.constantFrom(...operators[type]!.keys),
        fc.constantFrom("true", "false"),
      ),
    },
  ),
);
const conditions = fc
  .array(condition, { maxLength: 2 })
  .map((them) => them.map(([operator, key, values]) => ({ [operator]: { [key]: values } })))
  .map((them) => Object.assign({}, ...them) as object);

const either = <Value>(name: string, values: fc.Arbitrary<Value>) =>
  fc
    .tuple(fc.integer({ min: 0, max: 5 }), values)
    .map(([n, value]) => ({ [n === 0 ? `Not${name}` : name]: value }));
const statement = (principal: boolean) =>
  fc
    .tuple(
      fc.constantFrom("Allow", "Allow", "Allow", "Deny"),
      either("Action", oneOrMore(patterns.actions)),
      either("Resource", oneOrMore(patterns.resources)),
      conditions,
      fc.oneof(
        fc.constant("*"),
        oneOrMore([...principals, "*", account, `arn:aws:iam::${account}:root`, "444455556666"]).map(
          (AWS) => ({ AWS }),
        ),
      ),
    )
    .map(([Effect, action, resource, Condition, Principal]) => ({
      Effect,
      ...action,
      ...resource,
      ...(Object.keys(Condition).length > 0 && { Condition }),
      ...(principal && { Principal }),
    }));
const policy = (principal = false) =>
  fc
    .array(statement(principal), { minLength: 1, maxLength: 4 })
    .map((Statement) => ({ Version: "2012-10-17", Statement }));

const context = fc
  .tuple(
    ...Object.entries(keys).map(([key, values]) =>
      fc.option(fc.constantFrom(...values)).map((it) => (it === null ? [] : [[key, it] as const])),
    ),
  )
  .map((them) => them.flat());

const wide = fc.constant({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
});
const cases = fc.record({
  principal: fc.constantFrom(...principals),
  action: fc.constantFrom(...actions),
  resource: fc.constantFrom(...resources),
  context,
  identity: fc.array(policy(), { maxLength: 3 }),
  boundary: fc.option(fc.array(policy(), { minLength: 1, maxLength: 1 })),
  // Most let everything pass, or nothing else would come to be decided.
  organisation: fc.option(fc.array(fc.tuple(wide, policy()), { minLength: 1, maxLength: 2 }), { freq: 1 }),
  resourcePolicy: fc.option(policy(true)),
});

test("decides as another implementation of AWS's rules does", { timeout: 300_000 }, async () => {
  const told = { allowed: 0, explicitDeny: 0, implicitDeny: 0 };
  await fc.assert(
    fc.asyncProperty(
      cases,
      async ({
        principal,
        action,
        resource,
        context: given,
        identity,
        boundary,
        organisation,
        resourcePolicy,
      }) => {
        const named = (policies: readonly object[]) =>
          policies.map((it, n) => ({ name: `p${n}`, policy: it }));
        const theirs = await runSimulation(
          {
            request: {
              principal,
              action,
              resource: { resource, accountId: account },
              contextVariables: Object.fromEntries(given),
            },
            identityPolicies: named(identity),
            serviceControlPolicies: (organisation ?? []).map((level, n) => ({
              orgIdentifier: `ou-${n}`,
              policies: named(level),
            })),
            resourceControlPolicies: [],
            ...(resourcePolicy && { resourcePolicy }),
            ...(boundary && { permissionBoundaryPolicies: named(boundary) }),
          },
          {},
        );
        if (theirs.resultType === "error") assert.fail(JSON.stringify(theirs.errors));
        const read = (them: readonly object[]) =>
          them.map((it) => parsePolicy(JSON.stringify(it), "identity"));
        const ours = decide(
          {
            principal,
            action,
            resource,
            resourceOwner: `arn:aws:iam::${account}:root`,
            context: new Map(given.map(([key, value]) => [key.toLowerCase(), [value]])),
          },
          {
            identity: read(identity),
            boundary: boundary ? read(boundary) : undefined,
            organisation: organisation?.map(read),
            resource: resourcePolicy ? parsePolicy(JSON.stringify(resourcePolicy), "resource") : undefined,
          },
        );
        told[ours.decision]++;
        const expected = {
          Allowed: "allowed",
          ExplicitlyDenied: "explicitDeny",
          ImplicitlyDenied: "implicitDeny",
        }[theirs.overallResult];
        assert.equal(ours.decision, expected, JSON.stringify(theirs));
      },
    ),
    { numRuns: Number(process.env["RUNS"] ?? 2000) },
  );
  for (const count of Object.values(told)) assert.ok(count > 50, JSON.stringify(told));
});
