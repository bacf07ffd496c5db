import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { makeCredentials, readCredentials } from "#setup/credentials.ts";
import { writeSettings } from "#setup/region-settings.ts";
import { callEc2, valuesOf } from "./region-api.ts";

/** A region that answers every request with `status` and `xml`, and what it was asked. */
const scene = async (t: TestContext, status: number, xml: string) => {
  const asked: { authorization: string; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      asked.push({ authorization: request.headers.authorization ?? "", body });
      response.writeHead(status).end(xml);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const dataDir = mkdtempSync(join(tmpdir(), "croft-api-"));
  t.after(() => {
    server.close();
    rmSync(dataDir, { recursive: true });
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  writeSettings(dataDir, {
    accountId: "000000000000",
    region: "eu-west-1",
    port,
    machines: "qemu",
    imageAliases: [],
    throttled: false,
    capacity: { keptMemoryMiB: 2048, memoryOvercommit: 1 },
    publicPool: "198.18.0.0/16",
  });
  makeCredentials(dataDir);
  return { dataDir, asked, server };
};

test("the region is asked in the account's name, in EC2's way", async (t) => {
  const { dataDir, asked } = await scene(t, 200, "<R><instanceId>i-1</instanceId></R>");
  const xml = await callEc2(dataDir, "DescribeInstances", { "InstanceId.1": "i-1" });
  assert.deepEqual(valuesOf("instanceId", xml), ["i-1"]);
  const [{ authorization, body } = assert.fail("nothing was asked")] = asked;
  assert.equal(body, "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1");
  assert.match(
    authorization,
    new RegExp(`Credential=${readCredentials(dataDir).accessKeyId}/\\d{8}/eu-west-1/ec2/`),
  );
});

test("what the API refuses is told in its own words", async (t) => {
  const { dataDir } = await scene(
    t,
    400,
    "<Response><Message>The instance ID 'i-1' does not exist</Message></Response>",
  );
  await assert.rejects(
    callEc2(dataDir, "StopInstances", {}),
    /StopInstances: The instance ID 'i-1' does not exist/,
  );
});

test("a region that is not running is said to be so", async (t) => {
  const { dataDir, server } = await scene(t, 200, "");
  server.close();
  await once(server, "close");
  await assert.rejects(callEc2(dataDir, "DescribeInstances", {}), /does not answer: croft start first/);
});

test("a value that stands twice is told once, and only what the element itself holds", () => {
  const xml = "<a><ip>1</ip><ipAddress>2</ipAddress><ip>1</ip><ip></ip></a>";
  assert.deepEqual(valuesOf("ip", xml), ["1", ""]);
  assert.deepEqual(valuesOf("ipAddress", xml), ["2"]);
});
