import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { SignatureV4 } from "@smithy/signature-v4";
import { rootCaller } from "#api/caller.ts";
import { ApiError } from "#api/error.ts";
import { signRequest } from "./sign-request.ts";
import { verifySignature } from "./verify-signature.ts";

const now = Date.parse("2026-03-04T05:06:07Z");
const minute = 60_000;
const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};
const caller = rootCaller("111122223333", credentials.accessKeyId);
const findKey = (id: string) => (id === credentials.accessKeyId ? { ...credentials, caller } : undefined);
const body = Buffer.from("Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=a%20b");
const plain = {
  method: "POST",
  path: "/",
  query: "",
  headers: {
    host: "127.0.0.1:4566",
    "content-type": "application/x-www-form-urlencoded",
    "x-spaced": "  a   b ",
  },
  body,
};
const signing = { credentials, region: "us-east-1", service: "ec2", date: new Date(now) };
const signedBy = (changes: Partial<typeof signing> = {}) => ({
  ...plain,
  headers: signRequest(plain, { ...signing, ...changes }),
});
type Signed = ReturnType<typeof signedBy>;
const verify = (request: Omit<Signed, "body">, sent = body, at = now) =>
  verifySignature(request, sent, findKey, at);

test("a signed request tells who signed it, for which region and service", () => {
  assert.deepEqual(verify(signedBy()), {
    accessKeyId: "AKIDEXAMPLE",
    region: "us-east-1",
    service: "ec2",
    caller,
  });
});

test("what AWS's own signer signs is accepted, and ours is equal to it", async () => {
  const request = {
    method: "POST",
    protocol: "http:",
    hostname: "127.0.0.1",
    port: 4566,
    path: "/a b/%41",
    query: { "x y": "ü*'()", b: ["2", "1"], A: "" },
    headers: { host: "127.0.0.1:4566", "x-spaced": " a   b " },
    body: body.toString(),
  };
  const theirs = await awsSigner().sign(request, { signingDate: new Date(now) });
  const wire = {
    method: "POST",
    path: "/a b/%41",
    query: "x%20y=%C3%BC*'()&b=2&b=1&A=",
    headers: theirs.headers,
  };
  assert.equal(verify(wire).accessKeyId, "AKIDEXAMPLE");

  const headers = {
    ...request.headers,
    "x-amz-content-sha256": theirs.headers["x-amz-content-sha256"] ?? "",
  };
  const ours = signRequest({ ...wire, headers, body }, signing);
  assert.equal(ours["authorization"], theirs.headers["authorization"]);
});

test("a presigned request is accepted for as long as it says, and no longer", async () => {
  const request = await presigned(3600);
  const empty = Buffer.alloc(0);
  assert.deepEqual(verify(request, empty, now + 59 * minute).service, "sts");
  refused(
    () => verify(request, empty, now + 61 * minute),
    "SignatureDoesNotMatch",
    /^Signature expired: 20260304T050607Z/,
  );
  refused(
    () => verify(request, empty, now - 16 * minute),
    "SignatureDoesNotMatch",
    /^Signature not yet current/,
  );
  refused(
    () => verify({ ...request, query: `${request.query}&DurationSeconds=900` }, empty),
    "SignatureDoesNotMatch",
  );
  refused(
    () => verify({ ...request, query: request.query.replace("=3600", "=7200") }, empty),
    "SignatureDoesNotMatch",
  );
  refused(
    () => verify({ ...request, query: request.query.replace("=3600", "=604801") }, empty),
    "IncompleteSignature",
  );
  refused(
    () => verify({ ...request, query: request.query.replace(/X-Amz-Date=\w+&?/, "") }, empty),
    "IncompleteSignature",
    /'X-Amz-Date'/,
  );
});

test("the session token is handed on from header and query", async () => {
  const keys = { ...credentials, sessionToken: "token/+=" };
  const headers = signRequest(plain, { ...signing, credentials: keys });
  const tokens: (string | undefined)[] = [];
  const noting = (id: string, token: string | undefined) => {
    tokens.push(token);
    return findKey(id);
  };
  verifySignature({ ...plain, headers }, body, noting, now);
  verifySignature(await presigned(60, keys), Buffer.alloc(0), noting, now);
  assert.deepEqual(tokens, ["token/+=", "token/+="]);
});

test("a session that has ended is told so once its signature holds, in the words of the service", () => {
  const session = {
    kind: "role" as const,
    name: "s",
    ...credentials,
    issuedAt: now / 1000 - 60,
    expiresAt: now / 1000,
  };
  const ended = () => ({ ...credentials, caller: { ...caller, session } });
  const code = (service: string, at: number) => {
    const request = signedBy({ service });
    try {
      verifySignature(request, body, ended, at);
      return "OK";
    } catch (error) {
      return error instanceof ApiError ? error.code : error;
    }
  };
  assert.deepEqual(
    ["ec2", "sts", "ssm"].map((service) => code(service, now)),
    ["RequestExpired", "ExpiredToken", "ExpiredTokenException"],
  );
  assert.equal(code("ec2", now - 1000), "OK");
});

test("a wrong secret and any change to what was signed are refused", () => {
  const signed = signedBy();
  refused(
    () => verify(signedBy({ credentials: { ...credentials, secretAccessKey: "wrong" } })),
    "AuthFailure",
    /^AWS was not able to validate the provided access credentials$/,
    401,
  );
  refused(
    () => verify(signedBy({ credentials: { ...credentials, secretAccessKey: "wrong" }, service: "sts" })),
    "SignatureDoesNotMatch",
    /^The request signature we calculated/,
    403,
  );
  refused(() => verify(signed, Buffer.from("Action=TerminateInstances")), "AuthFailure");
  refused(() => verify({ ...signed, method: "GET" }), "AuthFailure");
  refused(() => verify({ ...signed, path: "/x" }), "AuthFailure");
  refused(() => verify({ ...signed, query: "Action=TerminateInstances" }), "AuthFailure");
  refused(() => verify(withHeaders(signed, { host: "elsewhere" })), "AuthFailure");
  refused(() => verify(changed(signed, "us-east-1", "eu-west-1")), "AuthFailure");
  refused(() => verify(changed(signed, "/ec2/", "/sts/")), "SignatureDoesNotMatch");
  refused(() => verify(changed(signed, /Signature=.*/, "Signature=00")), "AuthFailure");
});

test("UNSIGNED-PAYLOAD does not free a request from signing its body", () => {
  refused(() => verify(unsigned("ec2", "POST", { host: "localhost" })), "AuthFailure");
  const block = { host: "localhost", "x-amz-checksum": "AAAA" };
  refused(() => verify(unsigned("ec2", "PUT", block)), "AuthFailure");
  refused(() => verify(unsigned("ebs", "POST", block)), "SignatureDoesNotMatch");
});

test("a block of a snapshot is signed by its checksum, when its body is not", () => {
  const block = { host: "localhost", "x-amz-checksum": "AAAA" };
  const signed = unsigned("ebs", "PUT", block);
  assert.equal(verify(signed, Buffer.from("any")).service, "ebs");
  refused(() => verify(withHeaders(signed, { "x-amz-checksum": "BBBB" })), "SignatureDoesNotMatch");
  refused(() => verify(unsigned("ebs", "PUT", { host: "localhost" })), "SignatureDoesNotMatch");
});

function unsigned(service: string, method: string, given: Readonly<Record<string, string>>) {
  const headers = {
    ...given,
    "x-amz-date": "20260304T050607Z",
    "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
  };
  const sorted = Object.entries(headers).toSorted(([x], [y]) => (x < y ? -1 : 1));
  const names = sorted.map(([name]) => name).join(";");
  const lines = sorted.map((it) => `${it.join(":")}\n`).join("");
  const canonical = `${method}\n/\n\n${lines}\n${names}\nUNSIGNED-PAYLOAD`;
  const scope = `20260304/us-east-1/${service}/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n20260304T050607Z\n${scope}\n${createHash("sha256").update(canonical).digest("hex")}`;
  const key = scope
    .split("/")
    .reduce<string | Buffer>(
      (k, part) => createHmac("sha256", k).update(part).digest(),
      `AWS4${credentials.secretAccessKey}`,
    );
  const signature = createHmac("sha256", key).update(text).digest("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...plain, method, headers: { ...headers, authorization } };
}

test("clocks may differ by 15 minutes", () => {
  const signed = signedBy();
  verify(signed, body, now + 15 * minute);
  verify(signed, body, now - 15 * minute);
  refused(
    () => verify(signed, body, now + 15 * minute + 1),
    "RequestExpired",
    /^Request has expired\.$/,
    400,
  );
  refused(() => verify(signed, body, now - 15 * minute - 1), "RequestExpired");
});

test("an unknown access key is refused in the words of the service", () => {
  const stranger = { ...credentials, accessKeyId: "AKIDOTHER" };
  refused(
    () => verify(signedBy({ credentials: stranger })),
    "AuthFailure",
    /^AWS was not able to validate the provided access credentials$/,
    401,
  );
  refused(
    () => verify(signedBy({ credentials: stranger, service: "sts" })),
    "InvalidClientTokenId",
    /^The security token/,
    403,
  );
});

test("what is no complete signature is refused with what is missing", () => {
  const signed = signedBy();
  refused(
    () => verify(plain),
    "MissingAuthenticationToken",
    /^Request is missing Authentication Token$/,
    403,
  );
  refused(
    () => verify(withHeaders(plain, { authorization: "Basic dTpw" })),
    "IncompleteSignature",
    /'Credential'.*'Signature'.*'SignedHeaders'.*'X-Amz-Date'/,
  );
  refused(
    () => verify(changed(signed, /, Signature=.*/, "")),
    "IncompleteSignature",
    /^Authorization header requires 'Signature' parameter\.$/,
  );
  refused(() => verify(changed(signed, "/aws4_request", "")), "IncompleteSignature", /5 slash-delimited/);
  refused(
    () => verify(changed(signed, /$/, ", AWS4-HMAC-SHA256 Signature=0")),
    "IncompleteSignature",
    /^'AWS4-HMAC-SHA256' not a valid key=value pair \(missing equal-sign\) in Authorization header: /,
  );
  refused(() => verify(changed(signed, /$/, ", Signature=0")), "IncompleteSignature", /only once/);
  refused(
    () => verify(changed(signed, "/20260304/", "/20260303/")),
    "SignatureDoesNotMatch",
    /'20260303' != '20260304'/,
  );
  refused(() => verify(changed(signed, /host;/, "")), "SignatureDoesNotMatch", /'Host'/);
  refused(() => verify(withHeaders(signed, { "x-amz-date": "20261399T999999Z" })), "SignatureDoesNotMatch");
  refused(() => verify({ ...plain, query: "X-Amz-Algorithm=%zz" }), "MalformedQueryString");
});

const awsSigner = (
  keys: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } = credentials,
  service = "ec2",
) => new SignatureV4({ service, region: "us-east-1", credentials: keys, sha256: Sha256 });

class Sha256 {
  #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytes(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView) {
    this.#hash.update(bytes(data));
  }
  async digest() {
    return new Uint8Array(this.#hash.digest());
  }
  reset() {}
}

function bytes(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === "string") return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    : Buffer.from(data);
}

async function presigned(expiresIn: number, keys: Parameters<typeof awsSigner>[0] = credentials) {
  const { query, headers } = await awsSigner(keys, "sts").presign(
    {
      method: "GET",
      protocol: "http:",
      hostname: "localhost",
      path: "/",
      headers: { host: "localhost" },
      query: { Action: "GetCallerIdentity", Version: "2011-06-15" },
    },
    { expiresIn, signingDate: new Date(now) },
  );
  const text = Object.entries(query ?? {}).map(
    ([name, value]) => `${name}=${encodeURIComponent(String(value))}`,
  );
  return { method: "GET", path: "/", query: text.join("&"), headers };
}

function withHeaders(request: Omit<Signed, "body">, headers: Record<string, string>) {
  return { ...request, headers: { ...request.headers, ...headers } };
}

function changed(request: Signed, found: string | RegExp, by: string) {
  return withHeaders(request, { authorization: request.headers["authorization"]!.replace(found, by) });
}

function refused(attempt: () => unknown, code: string, message = /./, status?: number) {
  assert.throws(attempt, (error) => {
    assert(error instanceof ApiError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    if (status) assert.equal(error.status, status);
    return true;
  });
}
