import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { after, test } from "node:test";
import { callEc2 } from "#cli/region-api.ts";
import type { RegionStatus } from "#cli/status.ts";
import { run } from "#drivers/linux/commands.ts";
import { until } from "../until.ts";
import { dial, guestShell, saveKey, type GuestShell } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { signedCall, whoAmI } from "../signed-call.ts";
import { awsCli } from "./aws-cli.ts";

/** The first day with a region, told by the CLI of Debian 12. Each test goes on from where the one before it ended. */
const region = await realRegion();
const aws = awsCli(region);
const files = mkdtempSync(join(tmpdir(), "croft-test-"));
after(() => rmSync(files, { recursive: true }));
const keyFile = join(files, "key.pem");

let before: string[] = [];
let ids: string[] = [];
const groups = { web: "", database: "" };
let web: GuestShell;
let databaseAddress: string;

test("a key pair and security groups are made", async () => {
  saveKey(
    keyFile,
    await aws.text("ec2 create-key-pair --key-name day --key-type ed25519 --query KeyMaterial"),
  );
  for (const name of ["web", "database"] as const) {
    const made = `ec2 create-security-group --group-name ${name} --description made-by-a-test --query GroupId`;
    groups[name] = (await aws.text(made)).trim();
  }
  await aws.text(`ec2 authorize-security-group-ingress --group-id ${groups.web} ${fromAnywhere}`);
  before = await region.traces();
});

test("run-instances answers ids at once, and the waiters see them run", async () => {
  writeFileSync(join(files, "user-data"), "#!/bin/sh\necho made by user data > /srv/made\n");
  const launch = `ec2 run-instances --image-id ${region.imageId} --instance-type t3.micro --key-name day`;
  const query = "--query Instances[].[InstanceId,NetworkInterfaces[0].NetworkInterfaceId,State.Name]";
  const launched = [
    await aws.text(
      `${launch} --security-group-ids ${groups.web} --user-data file://${files}/user-data ${query}`,
    ),
    await aws.text(`${launch} --security-group-ids ${groups.database} ${query}`),
  ].map(words);
  for (const [id = "", nic = "", state = ""] of launched) {
    assert.match(id, /^i-[0-9a-f]{17}$/);
    assert.match(nic, /^eni-[0-9a-f]{17}$/);
    assert.equal(state, "pending");
  }
  ids = launched.map(([id = ""]) => id);
  await aws.text(`ec2 wait instance-running --instance-ids ${ids.join(" ")}`);
  await aws.text(`ec2 wait instance-status-ok --instance-ids ${ids.join(" ")}`);
  databaseAddress = await describe(ids[1], "PrivateIpAddress");
});

test("ssh with the key pair finds what the user data did", async () => {
  web = await guestShell(await describe(ids[0], "PublicIpAddress"), keyFile);
  assert.equal(await web.run("cat /srv/made"), "made by user data\n");
});

test("console output has the kernel's lines, and the fingerprints of the keys that ssh-keyscan sees", async () => {
  const ending = "END SSH HOST KEY FINGERPRINTS";
  const output = await until(
    () => aws.text(`ec2 get-console-output --instance-id ${ids[0]} --query Output`),
    (text) => text.includes(ending),
  );
  assert.match(output, /Linux version 6\./);
  const printed = fingerprints(
    output.slice(output.indexOf("BEGIN SSH HOST KEY FINGERPRINTS"), output.indexOf(ending)),
  );
  const scanned = await run("ssh-keyscan", ["-T", "60", web.address], { timeoutMs: 120_000 });
  assert.deepEqual(printed, fingerprints(await run("ssh-keygen", ["-l", "-f", "-"], { input: scanned })));
  assert.ok(printed.length > 0);
});

test("an instance signs with the credentials of its role, and policy decides each of its calls", async () => {
  const statement = (of: object) =>
    JSON.stringify({ Version: "2012-10-17", Statement: { Effect: "Allow", ...of } });
  const allow = (Action: string, more: object = {}) =>
    aws.text(
      `iam put-role-policy --role-name reader --policy-name p --policy-document ${statement({ Action, Resource: "*", ...more })}`,
    );
  const trust = statement({ Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" });
  await Promise.all([
    aws.text(`iam create-role --role-name reader --assume-role-policy-document ${trust}`),
    aws.text("iam create-instance-profile --instance-profile-name reader"),
  ]);
  await Promise.all([
    allow("ec2:DescribeInstances"),
    aws.text("iam add-role-to-instance-profile --instance-profile-name reader --role-name reader"),
  ]);
  await aws.text(
    `ec2 associate-iam-instance-profile --instance-id ${ids[0]} --iam-instance-profile Name=reader`,
  );
  const imds = "http://169.254.169.254/latest";
  const token = `$(curl -sX PUT ${imds}/api/token -H X-aws-ec2-metadata-token-ttl-seconds:60)`;
  const read = (path: string) =>
    web.run(`curl -s -H X-aws-ec2-metadata-token:${token} ${imds}/meta-data/${path}`);
  const ask = () => read("iam/security-credentials/reader");
  const told = await until(ask, (text) => text.includes('"Success"'));
  const { programs } = await region.status();
  const others = [programs["croft"], programs["croft-host"]].filter((pid) => typeof pid === "number");
  assert.equal(others.length, 2);
  for (const pid of others) process.kill(pid, "SIGSTOP");
  try {
    assert.equal(await ask(), told, "croft-guest alone answers");
  } finally {
    for (const pid of others) process.kill(pid, "SIGCONT");
  }
  const signing = (credentials: string) => {
    const { AccessKeyId, SecretAccessKey, Token } = JSON.parse(credentials);
    return {
      AWS_REGION: region.environment["AWS_REGION"] ?? "",
      AWS_ACCESS_KEY_ID: AccessKeyId,
      AWS_SECRET_ACCESS_KEY: SecretAccessKey,
      AWS_SESSION_TOKEN: Token,
    };
  };
  const environment = signing(told);
  const url = `https://ec2.${environment.AWS_REGION}.amazonaws.com/`;
  const call = (...fields: string[]) =>
    web.run(`curl -m 60 ${signedCall(environment, fields, { url }).join(" ")}`);
  const launch = ["Action=RunInstances", `ImageId=${region.imageId}`, "MinCount=1", "MaxCount=1"];
  assert.match(await call("Action=DescribeInstances"), new RegExp(`<instanceId>${ids[0]}</instanceId>`));
  const denied = await call(...launch);
  assert.match(denied, /<Code>UnauthorizedOperation<\/Code>/);
  const encoded = /failure message: ([^<]+)/.exec(denied)?.[1];
  const { context } = JSON.parse(
    await aws.text(`sts decode-authorization-message --encoded-message ${encoded} --query DecodedMessage`),
  );
  const self = `arn:aws:sts::000000000000:assumed-role/reader/${ids[0]}`;
  assert.deepEqual([context.action, context.principal.arn], ["ec2:RunInstances", self]);
  await allow("ec2:RunInstances");
  assert.match(await call(...launch, "DryRun=true"), /<Code>DryRunOperation<\/Code>/);
  assert.match(await call("Action=DescribeInstances"), /<Code>UnauthorizedOperation<\/Code>/);

  // Held to the VPC that a call comes out of.
  const outOf = (vpc: string) =>
    allow("ec2:DescribeInstances", { Condition: { StringEquals: { "aws:SourceVpc": vpc } } });
  await outOf("vpc-00000000000000000");
  assert.match(await call("Action=DescribeInstances"), /<Code>UnauthorizedOperation<\/Code>/);
  await outOf(await describe(ids[0], "VpcId"));
  assert.match(await call("Action=DescribeInstances"), new RegExp(`<instanceId>${ids[0]}</instanceId>`));
  const outside = awsCli({ ...region, environment: { ...region.environment, ...environment } });
  assert.equal(await outside.refusal("ec2 describe-instances"), "UnauthorizedOperation", "from the host");

  // Which instance it is, it says by itself, and may do nothing else by that.
  const itself = signing(await read("identity-credentials/ec2/security-credentials/ec2-instance"));
  const who = await web.run(whoAmI(itself));
  assert.ok(
    who.includes(`<Arn>arn:aws:sts::000000000000:assumed-role/aws:ec2-instance/${ids[0]}</Arn>`),
    who,
  );
  const refused = await web.run(
    `curl -m 60 ${signedCall(itself, ["Action=DescribeInstances"], { url }).join(" ")}`,
  );
  assert.match(refused, /<Code>UnauthorizedOperation<\/Code>/);
});

test("neighbours in one subnet are kept apart until a group may reach the other", async () => {
  const knock = `timeout 5 bash -c '</dev/tcp/${databaseAddress}/22' && echo in || echo out`;
  assert.equal(await web.run(knock), "out\n");
  const rule = `--group-id ${groups.database} --protocol tcp --port 22 --source-group ${groups.web}`;
  await aws.text(`ec2 authorize-security-group-ingress ${rule}`);
  assert.equal(
    await until(
      () => web.run(knock),
      (said) => said === "in\n",
    ),
    "in\n",
  );
  assert.notEqual(
    await dial(await describe(ids[1], "PublicIpAddress"), 22, 2_000),
    "connected",
    "the host is no member",
  );
});

test("within 50 ms of the answer a revoked port lets no new connection in, and says nothing", async () => {
  assert.equal(await dial(web.address, 22, 10_000), "connected");
  await callEc2(region.dataDir, "RevokeSecurityGroupIngress", sshFromAnywhere(groups.web));
  const since = performance.now();
  const dialed: Promise<{ begunMs: number; outcome: string }>[] = [];
  while (performance.now() - since < 300) {
    const begunMs = performance.now() - since;
    dialed.push(dial(web.address, 22, 3_000).then((outcome) => ({ begunMs, outcome })));
    await delay(10);
  }
  const outcomes = await Promise.all(dialed);
  const late = outcomes.filter(({ begunMs }) => begunMs >= 50);
  assert.ok(late.length >= 5, `${late.length} connections were tried`);
  assert.deepEqual(
    late.filter(({ outcome }) => outcome !== "timeout"),
    [],
  );
  assert.deepEqual(
    outcomes.filter(({ outcome }) => outcome.startsWith("failed")),
    [],
    "nothing is refused, ever",
  );
  await aws.text(`ec2 authorize-security-group-ingress --group-id ${groups.web} ${fromAnywhere}`);
  assert.equal(await dial(web.address, 22, 10_000), "connected");
});

test("an ssh session streams on while each program is killed, and while Croft is stopped and started", async (t) => {
  const session = web.open("n=0; while echo $n; do n=$((n+1)); sleep 0.5; done");
  t.after(() => session.kill());
  let last = -1;
  session.stdout
    .setEncoding("utf8")
    .on("data", (text: string) => (last = Number(text.trim().split("\n").at(-1))));
  const goesOn = async () => {
    const seen = last;
    const now = await until(
      async () => last,
      (number) => number > seen + 2,
    );
    assert.ok(now > seen + 2 && session.exitCode === null, `the session ends after ${now}`);
  };
  await goesOn();
  for (const name of ["croft", "croft-host", "croft-guest"]) {
    const killed = (await region.status()).programs[name] ?? assert.fail(`${name} is down`);
    process.kill(killed, "SIGKILL");
    const isBack = ({ health, programs: { [name]: pid } }: RegionStatus) =>
      health?.status === "ready" && typeof pid === "number" && pid !== killed;
    assert.ok(isBack(await until(region.status, isBack)), `${name} is back`);
    await goesOn();
  }
  const { code, tookMs } = await region.stop();
  assert.equal(code, 0);
  assert.ok(tookMs < 5_000, `${tookMs} ms`);
  await goesOn();
  await region.start();
  await goesOn();
  assert.equal(await describe(ids[0], "State.Name"), "running");
});

test("a file survives stop and start", async () => {
  await web.run("echo kept > kept");
  await aws.text(`ec2 stop-instances --instance-ids ${ids[0]}`);
  await aws.text(`ec2 wait instance-stopped --instance-ids ${ids[0]}`);
  assert.equal(await describe(ids[0], "StateReason.Code"), "Client.UserInitiatedShutdown");
  await aws.text(`ec2 start-instances --instance-ids ${ids[0]}`);
  await aws.text(`ec2 wait instance-running --instance-ids ${ids[0]}`);
  web = await guestShell(await describe(ids[0], "PublicIpAddress"), keyFile);
  assert.equal(await web.run("cat kept"), "kept\n");
});

test("a file survives a reboot, and the uptime starts anew", async () => {
  const bootId = "cat /proc/sys/kernel/random/boot_id";
  const earlier = await web.run(bootId);
  const asked = performance.now();
  await aws.text(`ec2 reboot-instances --instance-ids ${ids[0]}`);
  const now = await until(
    async () => (await guestShell(web.address, keyFile)).run(bootId).catch(() => earlier),
    (id) => id !== earlier,
  );
  assert.notEqual(now, earlier);
  const uptimeS = Number.parseFloat(await web.run("cat /proc/uptime"));
  assert.ok(uptimeS < (performance.now() - asked) / 1000, `up for ${uptimeS} s`);
  assert.equal(await web.run("cat kept"), "kept\n");
});

test("who signs with a wrong secret, or with a key that is none, is told so", async () => {
  const refusal = (changed: Record<string, string>) =>
    awsCli({ ...region, environment: { ...region.environment, ...changed } }).refusal(
      "ec2 describe-instances",
    );
  assert.equal(await refusal({ AWS_SECRET_ACCESS_KEY: "wrong" }), "AuthFailure");
  assert.equal(await refusal({ AWS_ACCESS_KEY_ID: "AKIAAAAAAAAAAAAAAAAA" }), "AuthFailure");
  assert.equal(await aws.refusal("ec2 describe-instances --no-sign-request"), "MissingAuthenticationToken");
});

test("an operation that Croft does not serve yet says so by name", async () => {
  await assert.rejects(
    aws.text("ec2 create-transit-gateway"),
    /UnsupportedOperation.*ec2:CreateTransitGateway/,
  );
  assert.equal(await aws.refusal("iam list-ssh-public-keys"), "UnsupportedOperation");
});

test("terminate leaves the host as it was before the launch", async () => {
  await aws.text(`ec2 terminate-instances --instance-ids ${ids.join(" ")}`);
  await aws.text(`ec2 wait instance-terminated --instance-ids ${ids.join(" ")}`);
  const left = await until(region.traces, (traces) => traces.length <= before.length);
  assert.deepEqual(left, before);
});

const fromAnywhere = "--protocol tcp --port 22 --cidr 0.0.0.0/0";
const sshFromAnywhere = (groupId: string) => ({
  GroupId: groupId,
  "IpPermissions.1.IpProtocol": "tcp",
  "IpPermissions.1.FromPort": "22",
  "IpPermissions.1.ToPort": "22",
  "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0",
});

const describe = async (id: string | undefined, member: string): Promise<string> =>
  (
    await aws.text(
      `ec2 describe-instances --instance-ids ${id} --query Reservations[0].Instances[0].${member}`,
    )
  ).trim();

const words = (text: string): string[] => text.trim().split(/\s+/);
const fingerprints = (text: string): string[] =>
  [...text.matchAll(/SHA256:\S+/g)].map(([it]) => it).toSorted();
