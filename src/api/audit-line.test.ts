import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { AnsweredCall } from "./answered-call.ts";
import { auditLine } from "./audit-line.ts";
import { ApiError } from "./error.ts";
import { rootCaller } from "./caller.ts";

const call: AnsweredCall = {
  requestId: "req-1",
  source: "127.0.0.1",
  at: new Date(0),
  latencyMs: 1.23456,
  signedIn: {
    accessKeyId: "AKIATEST",
    region: "eu-central-1",
    service: "ec2",
    caller: rootCaller("111122223333", "AKIATEST"),
  },
  operation: "RunInstances",
  input: { ImageId: "ami-1", MinCount: 1 },
  output: { ReservationId: "r-0123456789abcdef0", Instances: [{ InstanceId: "i-0123456789abcdef0" }] },
};
const lineOf = (more: Partial<AnsweredCall>) => auditLine({ ...call, ...more });
const read = (more: Partial<AnsweredCall>) => JSON.parse(lineOf(more));

test("a line says who did what from where, with what, and what came of it", () => {
  assert.deepEqual(read({}), {
    time: "1970-01-01T00:00:00.000Z",
    requestId: "req-1",
    principal: { arn: "arn:aws:iam::111122223333:root", accountId: "111122223333", accessKeyId: "AKIATEST" },
    source: "127.0.0.1",
    region: "eu-central-1",
    operation: "ec2:RunInstances",
    parameters: { ImageId: "ami-1", MinCount: 1 },
    ids: ["r-0123456789abcdef0", "i-0123456789abcdef0"],
    latencyMs: 1.235,
  });
});

test("who assumes a role is told with the role, its account and the key that signs from then on", () => {
  const AccessKeyId = "ASIATTMQRTSRANK75TNS";
  const line = read({
    operation: "AssumeRole",
    input: { RoleArn: "arn:aws:iam::222233334444:role/shared", RoleSessionName: "me" },
    output: {
      Credentials: { AccessKeyId, SecretAccessKey: "s3cretS3cretS3cret", SessionToken: "t0kenT0ken" },
      AssumedRoleUser: { AssumedRoleId: "AROA72LTSQ3KY3OFM2BAP:me" },
    },
  });
  assert.equal(line.parameters.RoleArn, "arn:aws:iam::222233334444:role/shared");
  assert.deepEqual(line.ids, [AccessKeyId, "AROA72LTSQ3KY3OFM2BAP:me"]);
  assert.doesNotMatch(JSON.stringify(line), /s3cret|t0ken/);
});

test("nothing that KMS encrypts or decrypts is told, but by which key", () => {
  const keyId = "1234abcd-12ab-34cd-56ef-1234567890ab";
  const line = read({
    operation: "Encrypt",
    input: {
      KeyId: keyId,
      Plaintext: Buffer.from("s3cret"),
      GrantTokens: ["t0ken"],
      Message: Buffer.from("s3cret"),
    },
    output: { Plaintext: Buffer.from("s3cret"), PrivateKeyPlaintext: Buffer.from("s3cret"), KeyId: keyId },
  });
  assert.deepEqual(line.parameters, {
    KeyId: keyId,
    Plaintext: "(6 bytes)",
    GrantTokens: "(removed)",
    Message: "(6 bytes)",
  });
  assert.deepEqual(line.ids, [keyId]);
});

test("a failure says its code, and of whoever is not known nothing is said", () => {
  const { signedIn: _, operation: _operation, input: _input, output: _output, ...unknown } = call;
  const line = JSON.parse(auditLine({ ...unknown, error: new ApiError("AuthFailure", "no") }));
  assert.deepEqual(line, {
    time: "1970-01-01T00:00:00.000Z",
    requestId: "req-1",
    source: "127.0.0.1",
    error: "AuthFailure",
    latencyMs: 1.235,
  });
});

for (const [what, input] of [
  ["user data", { UserData: "hunter2" }],
  ["user data in a launch template", { LaunchTemplateData: { UserData: "hunter2", ImageId: "ami-1" } }],
  [
    "user data as an attribute",
    { InstanceId: "i-1", UserData: { Value: new TextEncoder().encode("hunter2") } },
  ],
  ["user data named as an attribute", { Attribute: "userData", Value: "hunter2" }],
  ["key material", { KeyName: "a", PublicKeyMaterial: new TextEncoder().encode("hunter2") }],
  ["a password in a list", { Users: [{ MasterUserPassword: "hunter2" }] }],
  ["a session token", { SessionToken: "hunter2" }],
  ["an MFA device's code", { TokenCode: "hunter2", AuthenticationCode1: "hunter2" }],
  ["a secure string", { Name: "a", Type: "SecureString", Value: "hunter2" }],
] as const)
  test(`${what} is not written down`, () => {
    assert.doesNotMatch(lineOf({ input }), /hunter2|aHVudGVyMg|104,117,110/);
    assert.match(lineOf({ input }), /\(removed\)/);
  });

test("key material that an answer gives out is not written down", () => {
  const output = { KeyPairId: "key-0123456789abcdef0", KeyMaterial: "-----BEGIN hunter2" };
  assert.doesNotMatch(lineOf({ output }), /hunter2/);
  assert.deepEqual(read({ output }).ids, ["key-0123456789abcdef0"]);
});

test("what a URL says after its question mark is not written down: it may be signed", () => {
  const line = auditLine({
    ...call,
    input: { DiskContainers: [{ Url: "https://images.example/disk?X-Amz-Signature=zzz" }] },
  });
  assert.match(line, /https:\/\/images\.example\/disk\?…/);
  assert.doesNotMatch(line, /zzz/);
});

test("what only sounds secret is written down", () => {
  const input = { MetadataOptions: { HttpTokens: "required" }, KeyName: "first" };
  assert.deepEqual(read({ input }).parameters, input);
});

test("no parameter can begin a line of its own", () => {
  const forged = ["\n", "\r\n", "\u2028", "\u2029", "\u0085", "\u001b[2J", "\u009b2J"].map(
    (end) => `a${end}{"time":"forged"}`,
  );
  const line = lineOf({ input: { Tags: forged, [forged[0] ?? ""]: 1 }, source: "\n{}" });
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  assert.match(line, /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+\n$/);
  assert.deepEqual(JSON.parse(line).parameters.Tags, forged);
});

test("a line is bounded, whatever is in the call", () => {
  type Nested = { in?: Nested };
  const deep: Nested = {};
  for (let at = deep, n = 0; n < 1000; n++) at = at.in = {};
  for (const input of [
    { Name: "x".repeat(1_000_000) },
    { Names: Array.from({ length: 10_000 }, (_, n) => `name ${n}`.padEnd(400, "\u0085")) },
    Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`name${n}`, "\u65e5".repeat(100)])),
    deep,
    { Body: Readable.from(["hunter2"]), At: new Date(Number.NaN), Blob: new Uint8Array(1_000_000) },
  ]) {
    const line = lineOf({ input });
    assert.ok(Buffer.byteLength(line) <= 64 * 1024, `${Buffer.byteLength(line)} bytes`);
    assert.equal(JSON.parse(line).operation, "ec2:RunInstances");
  }
});

test("of a long list of results the first ids are enough", () => {
  const output = { Ids: Array.from({ length: 100_000 }, (_, n) => `i-0${String(n).padStart(16, "0")}`) };
  assert.equal(read({ output }).ids.length, 50);
});
