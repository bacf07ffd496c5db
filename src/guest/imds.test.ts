import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { damaged } from "./damaged.ts";
import type { GuestMetadata } from "./guest-snapshot.ts";
import { answerImds } from "./imds.ts";
import type { ImdsRequest } from "./imds.ts";
import { sampleInterface } from "./sample-network.ts";
import { sessionTokens } from "./session-token.ts";

let now = 1_800_000_000_000;
const tokens = sessionTokens(
  () => now,
  () => "a key",
);
const mac = "network/interfaces/macs/02:00:00:00:00:05";
const metadata: Partial<GuestMetadata> = {
  tree: {
    "instance-id": "i-5",
    "placement/region": "us-east-1",
    "placement/availability-zone": "us-east-1a",
    "public-keys/0=my/own key/openssh-key": "ssh-ed25519 AAAA my key",
    "tags/instance/0=zero": "odd, but a tag",
    [`${mac}/subnet-id`]: "subnet-1",
  },
  dynamic: { "instance-identity/document": "{}" },
  userData: Buffer.from([0x1f, 0x8b, 0xff, 0x00]).toString("base64"),
};

describe("instance metadata", () => {
  // What is asked, what version 1 answers.
  const paths: [string, string | number][] = [
    ["/latest", "dynamic\nmeta-data\nuser-data"],
    ["/latest/", "dynamic\nmeta-data\nuser-data"],
    ["/1.0/", "dynamic\nmeta-data\nuser-data"],
    ["/2021-03-23/meta-data/instance-id", "i-5"],
    ["/latest/meta-data", "instance-id\nnetwork/\nplacement/\npublic-keys/\ntags/"],
    ["/latest/meta-data/", "instance-id\nnetwork/\nplacement/\npublic-keys/\ntags/"],
    ["/latest/meta-data/instance-id", "i-5"],
    ["/latest/meta-data/instance-id?x=1", "i-5"],
    ["//latest//meta-data//instance-id", "i-5"],
    ["/latest/meta-data/placement", "availability-zone\nregion"],
    ["/latest/meta-data/placement/", "availability-zone\nregion"],
    ["/latest/meta-data/placement/region", "us-east-1"],
    ["/latest/meta-data/public-keys/", "0=my/own key"],
    ["/latest/meta-data/public-keys/0", "openssh-key"],
    ["/latest/meta-data/public-keys/0/", "openssh-key"],
    ["/latest/meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAA my key"],
    ["/latest/meta-data/tags/instance/", "0=zero"],
    ["/latest/meta-data/tags/instance/0=zero", "odd, but a tag"],
    [`/latest/meta-data/${mac}/`, "subnet-id"],
    [`/latest/meta-data/${mac.replaceAll(":", "%3a")}/subnet-id`, "subnet-1"],
    ["/latest/dynamic/", "instance-identity/"],
    ["/latest/dynamic/instance-identity/document", "{}"],
    ["/latest/user-data/", "\u001F\u{FFFD}\u{FFFD}\0"],
    ["/latest/meta-data/plac", 404],
    ["/latest/meta-data/instance-id/x", 404],
    ["/latest/meta-data/public-keys/0=my/own%20key/openssh-key", 404],
    ["/latest/meta-data/public-keys/1/openssh-key", 404],
    ["/latest/meta-data/../meta-data/instance-id", 404],
    ["/latest/user-data/x", 404],
    ["/latest/constructor", 404],
    ["/latest/meta-data/constructor", 404],
    ["/2099-01-01/", 404],
    ["/favicon.ico", 404],
    ["/latest/api/token", 405],
    ["/%", 400],
    ["http://169.254.169.254/latest/", 400],
    ["*", 400],
  ];
  for (const [url, expected] of paths)
    test(`GET ${url} answers ${JSON.stringify(expected)}`, () => {
      const { status, body } = ask({ url });
      assert.deepEqual(typeof expected === "number" ? status : String(body), expected);
    });

  test("lists its versions at the root, the newest last", () => {
    const versions = String(ask({ url: "/" }).body).split("\n");
    assert.deepEqual([versions[0], versions.at(-1)], ["1.0", "latest"]);
    for (const version of versions)
      assert.equal(ask({ url: `/${version}/meta-data/instance-id` }).body, "i-5");
  });

  test("serves everything that a listing names, down to every leaf", () => {
    const leaves: string[] = [];
    const crawl = (directory: string) => {
      for (const line of String(ask({ url: directory }).body).split("\n")) {
        const entry = directory.endsWith("public-keys/") ? `${line.split("=")[0]}/` : line;
        if (entry.endsWith("/")) crawl(directory + entry);
        else leaves.push(directory + entry);
      }
    };
    crawl("/latest/meta-data/");
    assert.equal(leaves.length, Object.keys(metadata.tree ?? {}).length);
    for (const url of leaves) assert.equal(ask({ url }).status, 200, url);
  });

  test("does not list what there is none of", () => {
    const bare = { tree: { "instance-id": "i-5" }, dynamic: {} };
    assert.equal(ask({ url: "/latest/" }, bare).body, "meta-data");
    assert.equal(ask({ url: "/latest/meta-data/" }, bare).body, "instance-id");
    for (const url of ["/latest/user-data", "/latest/dynamic/", "/latest/meta-data/public-keys/"])
      assert.equal(ask({ url }, bare).status, 404, url);
  });

  test("gives user data as the bytes it is", () => {
    const { body, headers } = ask({ url: "/latest/user-data" }, metadata);
    assert.deepEqual(body, Buffer.from([0x1f, 0x8b, 0xff, 0x00]));
    assert.equal(headers["Content-Type"], "application/octet-stream");
    assert.equal(ask({ url: "/latest/user-data" }, { userData: "" }).status, 200, "empty is not none");
  });

  test("refuses as AWS's does, with a page that names the code", () => {
    const { body, headers } = ask({ url: "/latest/meta-data/iam/info" });
    assert.match(String(body), /^<\?xml [^]*<title>404 - Not Found<\/title>[^]*<h1>404 - Not Found<\/h1>/);
    assert.equal(headers["Content-Type"], "text/html");
  });

  test("takes GET and HEAD, nothing else", () => {
    assert.equal(ask({ method: "HEAD", url: "/latest/" }).status, 200);
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
      assert.equal(ask({ method, url: "/latest/meta-data/" }).status, 405, method);
    assert.equal(ask({ method: "POST", url: "/latest/api/token" }).status, 405);
  });

  test("that is switched off refuses everything", () => {
    const off = { enabled: false };
    assert.equal(ask({ url: "/latest/meta-data/instance-id" }, off).status, 403);
    assert.equal(ask({ ...tokenRequest("60") }, off).status, 403);
  });

  test("knows an answer to whatever is asked for, and gives nothing away for a token that is none", () => {
    const asked = damaged(Buffer.from("/latest/meta-data/public-keys/0/openssh-key"));
    fc.assert(
      fc.property(asked, (bytes) => {
        const url = bytes.toString("latin1");
        assert.ok([200, 400, 404, 405].includes(ask({ url }).status));
        assert.ok(
          [400, 403, 405].includes(ask({ ...tokenRequest("60", { "x-forwarded-for": url }), url }).status),
        );
        assert.equal(ask({ url: "/latest/", headers: { "x-aws-ec2-metadata-token": url } }).status, 401);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("a session token", () => {
  test("is issued for 1 to 21600 seconds, and to no proxy", () => {
    const granted = ask(tokenRequest("21600"));
    assert.deepEqual([granted.status, granted.carriesToken, String(granted.body).length], [200, true, 56]);
    assert.equal(granted.headers["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"], "21600");
    for (const ttl of ["0", "21601", "-1", "1.5", "1e3", "0x10", " 60", "sixty", "", undefined])
      assert.equal(ask(tokenRequest(ttl)).status, 400, `ttl ${ttl}`);
    assert.equal(ask(tokenRequest("60", { "x-forwarded-for": "10.0.1.9" })).status, 403);
    assert.equal(ask({ ...tokenRequest("60"), url: "/latest/api/tokens" }).status, 405);
  });

  test("opens what version 1 may not, and says how long it still does", () => {
    const required = { tokens: "required" } as const;
    assert.equal(ask({ url: "/latest/meta-data/instance-id" }, required).status, 401);
    const token = String(ask(tokenRequest("60"), required).body);
    now += 10_500;
    const answer = ask(withToken(token), required);
    assert.deepEqual([answer.status, answer.body, answer.carriesToken], [200, "i-5", false]);
    assert.equal(answer.headers["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"], "50");
    now += 49_500;
    assert.equal(ask(withToken(token), required).status, 401);
  });

  test("that is wrong is refused even where none is needed", () => {
    const token = String(ask(tokenRequest("60")).body);
    const middle = token[30] === "A" ? "B" : "A";
    const forged = [
      token.slice(0, 30) + middle + token.slice(31),
      token.slice(1),
      `A${token}`,
      `${token}.`,
      "",
      "x",
    ];
    for (const wrong of forged) assert.equal(ask(withToken(wrong)).status, 401, wrong);
    assert.equal(ask(withToken(token)).status, 200);
  });

  test("is worth nothing to another instance, nor under another key, and outlives the process", () => {
    const request = { method: "GET", ...withToken(String(ask(tokenRequest("60")).body)) };
    const status = (instance: string, key: string) =>
      answerImds(
        request,
        sampleInterface("10.0.1.9", { tree: { "instance-id": instance } }),
        sessionTokens(
          () => now,
          () => key,
        ),
      ).status;
    assert.equal(status("i-5", "a key"), 200, "by another of its interfaces, another process");
    assert.equal(status("i-6", "a key"), 401);
    assert.equal(status("i-5", "another"), 401);
  });
});

test("a session token known to be good is so for its holder only, and under its key only", () => {
  let key = "a key";
  const known = sessionTokens(
    () => now,
    () => key,
  );
  const token = known.issue("i-5", 60);
  for (let round = 0; round < 2; round += 1) {
    assert.equal(known.secondsLeft(token, "i-5"), 60);
    assert.equal(known.secondsLeft(token, "i-6"), undefined);
    key = "another";
    assert.equal(known.secondsLeft(token, "i-5"), undefined);
    key = "a key";
    // So many others that it is forgotten.
    for (let other = 0; other < 2000; other += 1) known.issue("i-5", 60);
  }
});

const ask = (request: Partial<ImdsRequest>, overrides: Partial<GuestMetadata> = {}) => {
  const bare = "tree" in overrides || "userData" in overrides ? {} : metadata;
  const client = sampleInterface("10.0.1.5", { ...bare, ...overrides });
  return answerImds({ method: "GET", url: "/", headers: {}, ...request }, client, tokens);
};

const tokenRequest = (ttl: string | undefined, headers: Record<string, string> = {}) => ({
  method: "PUT",
  url: "/latest/api/token",
  headers: { "x-aws-ec2-metadata-token-ttl-seconds": ttl, ...headers },
});

const withToken = (token: string) => ({
  url: "/latest/meta-data/instance-id",
  headers: { "x-aws-ec2-metadata-token": token },
});
