import assert from "node:assert/strict";
import { Agent, request as send } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import * as fc from "fast-check";
import { signRequest } from "#auth/sign-request.ts";
import { testRegion, type TestRegion } from "#testing/region.ts";
import { spoilt } from "#testing/spoilt-request.ts";
import type { WireRequest } from "#wire/protocol.ts";

/** Calls that succeed, or fail for want of what they name; their spoilt forms are signed, so that they reach the operations. */
const calls: readonly Call[] = [
  form(
    "ec2",
    "Action=RunInstances&ImageId=ami-0aaaaaaaaaaaaaaaa&InstanceType=t3.micro&MinCount=1&MaxCount=1&ClientToken=a&UserData=YQ%3D%3D&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fxvda&BlockDeviceMapping.1.Ebs.VolumeSize=9&DryRun=true",
  ),
  form(
    "ec2",
    "Action=DescribeInstances&Filter.1.Name=tag%3Aa&Filter.1.Value.1=b%2A%3F&Filter.2.Name=instance-state-name&Filter.2.Value.1=running&MaxResults=5&NextToken=Y3JvZnQ6aS0x",
  ),
  form(
    "ec2",
    "Action=AuthorizeSecurityGroupIngress&GroupId=sg-1&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=1&IpPermissions.1.ToPort=2&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0%2F8",
  ),
  form(
    "ec2",
    "Action=CreateLaunchTemplate&LaunchTemplateName=abc&LaunchTemplateData.InstanceRequirements.VCpuCount.Min=1&LaunchTemplateData.UserData=YQ%3D%3D",
  ),
  form("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
  json("ssm", "AmazonSSM.GetParametersByPath", '{"Path":"/aws/service","Recursive":true,"MaxResults":10}'),
  json("ssm", "AmazonSSM.GetParameters", '{"Names":["/aws/service/debian/release/12/latest/amd64:1","/a"]}'),
  json(
    "kms",
    "TrentService.Decrypt",
    `{"CiphertextBlob":"AQ${"A".repeat(98)}","EncryptionContext":{"a":"b"}}`,
  ),
  json(
    "kms",
    "TrentService.CreateGrant",
    '{"KeyId":"alias/a","GranteePrincipal":"111122223333","Operations":["Decrypt"]}',
  ),
  json("servicequotas", "ServiceQuotasV20190624.ListServiceQuotas", '{"ServiceCode":"ec2","NextToken":"1"}'),
];

test("no spoilt call that is rightly signed is answered as a fault of ours, and the next one is served", async (t) => {
  const region = await testRegion(t);
  for (const { service, ...sound } of calls) {
    await fc.assert(
      fc.asyncProperty(spoilt(sound), async (request) => {
        const status = await sendSigned(region, service, request);
        assert.ok(status < 500, `${status}: ${region.errors.join("; ")}`);
      }),
      { numRuns: 40 },
    );
    assert.deepEqual(region.errors, []);
  }
  assert.equal(await sendSigned(region, "sts", calls[4]!), 200);
});

test("no call whose signature was stripped, doubled or moved to other headers gets in", async (t) => {
  const region = await testRegion(t);
  const { service, ...sound } = calls[4]!;
  const lines = headerLines(region, service, sound);
  const [start, rest] = [`POST / HTTP/1.1`, sound.body.toString()];
  const sendLines = (sent: readonly string[]) =>
    raw(region, [start, ...sent, "connection: close", "", rest].join("\r\n"));
  assert.match(await sendLines(lines), /^HTTP\/1\.1 200 /);

  const needed = lines.filter((line) => /^(host|authorization|x-amz-date):/.test(line));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...needed),
      fc.constantFrom(...confusions),
      fc.string({ maxLength: 8 }),
      async (line, confuse, chance) => {
        const answer = await sendLines(
          lines.flatMap((each) => (each === line ? confuse(each, chance) : each)),
        );
        assert.match(answer, /^HTTP\/1\.1 4\d\d /, answer.slice(0, 300));
      },
    ),
    { numRuns: 80 },
  );
  assert.deepEqual(region.errors, []);
  assert.match(await sendLines(lines), /^HTTP\/1\.1 200 /);
});

/** Ways to say a header that was signed differently. */
const confusions: readonly ((line: string, chance: string) => readonly string[])[] = [
  () => [],
  (line) => [line, line],
  (line) => [line.replace(/[0-9a-f](?=[^0-9a-f]*$)/, (digit) => (digit === "0" ? "1" : "0"))],
  (line) => [line.replace(":", "_:")],
  (line) => [line.replace(":", " :")],
  (line) => [line.replace(": ", ":\r\n ")],
  (line) => [line.slice(0, line.indexOf(":") + 2)],
  (line) => [`${line}, ${line.slice(line.indexOf(":") + 2)}`],
  (line, chance) => [`${line}\u0000${chance}`],
  (line, chance) => [`${line.slice(0, line.indexOf(":"))}: ${Buffer.from(chance).toString("base64")}`],
];

interface Call extends WireRequest {
  readonly service: string;
}

function form(service: string, body: string): Call {
  return callOf(service, { "content-type": "application/x-www-form-urlencoded" }, body);
}

function json(service: string, target: string, body: string): Call {
  return callOf(service, { "content-type": "application/x-amz-json-1.1", "x-amz-target": target }, body);
}

function callOf(service: string, headers: Record<string, string>, body: string): Call {
  return { service, method: "POST", path: "/", query: "", headers, body: Buffer.from(body) };
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function signed({ clientConfig }: TestRegion, service: string, { headers, ...request }: WireRequest) {
  const sendable = Object.entries(headers).flatMap(([name, value = ""]): [string, string][] => [
    // What cannot stand in a header is another test's.
    [name, value.replaceAll(/[^\t\u0020-\u007e]/g, "?").trim()],
  ]);
  return signRequest(
    {
      ...request,
      headers: { ...Object.fromEntries(sendable), host: new URL(clientConfig.endpoint).host },
    },
    {
      credentials: clientConfig.credentials,
      region: clientConfig.region,
      service,
      date: new Date(),
    },
  );
}

/** Resolves to the answer's status. */
async function sendSigned(region: TestRegion, service: string, spoiling: WireRequest): Promise<number> {
  const url = ({ path, query }: WireRequest) => encodeURI(`${path}?${query}`.toWellFormed());
  const [path = "/", ...query] = url(spoiling).split("?");
  const request = { ...spoiling, path, query: query.join("?") };
  return new Promise((resolve, reject) => {
    const sent = send(region.clientConfig.endpoint, {
      agent,
      method: "POST",
      path: `${request.path}?${request.query}`,
      headers: signed(region, service, request),
      timeout: 10_000,
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer in ten seconds")));
    sent.on("error", reject);
    sent.on("response", (response) => {
      response.resume().on("end", () => resolve(response.statusCode ?? 0));
    });
    sent.end(request.body);
  });
}

function headerLines(region: TestRegion, service: string, request: WireRequest): string[] {
  const headers = { ...signed(region, service, request), "content-length": String(request.body.length) };
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
}

/** What the server says to these bytes until it closes. */
async function raw({ clientConfig }: TestRegion, sent: string): Promise<string> {
  const socket = connect(Number(new URL(clientConfig.endpoint).port), "127.0.0.1");
  socket.setTimeout(10_000, () => socket.destroy(new Error("no answer in ten seconds")));
  socket.write(sent);
  return Buffer.concat(await socket.toArray()).toString();
}
