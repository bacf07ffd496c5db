import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  AllocateAddressCommand,
  AssociateRouteTableCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateKeyPairCommand,
  CreateNatGatewayCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  DeleteNatGatewayCommand,
  DeleteRouteTableCommand,
  DescribeInstancesCommand,
  DescribeInternetGatewaysCommand,
  DescribeSubnetsCommand,
  DisassociateRouteTableCommand,
  GetConsoleScreenshotCommand,
  ReleaseAddressCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  TerminateInstancesCommand,
  waitUntilInstanceRunning,
  waitUntilInstanceStopped,
  waitUntilInstanceTerminated,
  waitUntilNatGatewayAvailable,
  waitUntilNatGatewayDeleted,
} from "@aws-sdk/client-ec2";
import type { Instance, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { decode } from "jpeg-js";
import { readRunning } from "#cli/supervise/programs-file.ts";
import { hostNames } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { dial, guestShell, saveKey } from "../guest-shell.ts";
import type { GuestShell } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** What a guest must not reach, and what a region stands. Two neighbours, `one` and `other`, serve all tests. */
const region = await realRegion();
const { client } = region;
const { prefix } = hostNames(region.dataDir);
const files = mkdtempSync(join(tmpdir(), "croft-test-"));
after(() => rmSync(files, { recursive: true }));
const keyFile = join(files, "key.pem");

let one: Neighbour;
let other: Neighbour;
interface Neighbour {
  readonly id: string;
  readonly address: string;
  readonly publicAddress: string;
  readonly mac: string;
  readonly shell: GuestShell;
}

test("a second start is refused while the region runs, and nothing is disturbed", async () => {
  const { programs } = await region.status();
  const { supervisor } = readRunning(region.dataDir) ?? assert.fail("nothing runs");
  await assert.rejects(
    region.croft("start", "--yes"),
    new RegExp(`is already running \\(process ${supervisor.pid}\\)`),
  );
  assert.deepEqual((await region.status()).programs, programs);
});

test("croft env prints export lines and nothing else", async () => {
  for (const line of (await region.croft("env")).trimEnd().split("\n"))
    assert.match(line, /^export \w+=\S+$/);
});

test("a region that stops ends within 5 s, and starts again within 5 s", async () => {
  const { code, tookMs } = await region.stop();
  assert.equal(code, 0);
  assert.ok(tookMs < 5_000, `${tookMs} ms`);
  assert.deepEqual((await region.status()).programs, {
    croft: null,
    "croft-host": null,
    "croft-guest": null,
  });
  const since = performance.now();
  const said = await region.start();
  assert.ok(performance.now() - since < 5_000, `${performance.now() - since} ms`);
  assert.ok(said.endsWith(`\ncroft: ready ${region.endpoint}\n`), said);
});

test("two neighbours are launched", async () => {
  const { KeyMaterial: key = "" } = await client.send(
    new CreateKeyPairCommand({ KeyName: "test", KeyType: "ed25519" }),
  );
  saveKey(keyFile, key);
  const launched = [
    await launch(await openGroup("one"), { UserData: Buffer.from("secret of one").toString("base64") }),
    await launch(await openGroup("other"), { MetadataOptions: { HttpTokens: "required" } }),
  ];
  await waitUntilInstanceRunning({ client, maxWaitTime: 180 }, { InstanceIds: launched });
  const [a = "", b = ""] = launched;
  [one, other] = [await neighbour(a), await neighbour(b)];
});

test("a guest whose route leads to a NAT gateway is seen as that, until the gateway is deleted", async () => {
  const { SubnetId, VpcId } = await describe(one.id);
  const where = (filters: Record<string, string>) => ({
    Filters: Object.entries(filters).map(([Name, value]) => ({ Name, Values: [value] })),
  });
  const { Subnets = [] } = await client.send(new DescribeSubnetsCommand(where({ "vpc-id": VpcId ?? "" })));
  const elsewhere = Subnets.find((it) => it.SubnetId !== SubnetId);
  const { AllocationId, PublicIp } = await client.send(new AllocateAddressCommand({}));
  const { NatGateway } = await client.send(
    new CreateNatGatewayCommand({ SubnetId: elsewhere?.SubnetId, AllocationId }),
  );
  const NatGatewayId = NatGateway?.NatGatewayId;
  const NatGatewayIds = [NatGatewayId ?? ""];
  await waitUntilNatGatewayAvailable(patience, { NatGatewayIds });
  const { InternetGateways: [internet] = [] } = await client.send(
    new DescribeInternetGatewaysCommand(where({ "attachment.vpc-id": VpcId ?? "" })),
  );
  const { RouteTable } = await client.send(new CreateRouteTableCommand({ VpcId }));
  const RouteTableId = RouteTable?.RouteTableId;
  for (const [range, target] of [
    ["0.0.0.0/0", { GatewayId: internet?.InternetGatewayId }],
    [`${other.publicAddress}/32`, { NatGatewayId }],
  ] as const)
    await client.send(new CreateRouteCommand({ RouteTableId, DestinationCidrBlock: range, ...target }));
  const { AssociationId } = await client.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }));
  const seenFrom = async () => {
    const to = ["-d", other.address, "-p", "tcp"];
    const namespace = `${prefix}-${VpcId}`;
    await run("conntrack", ["-D", ...to], { namespace }).catch(() => "there was none");
    await one.shell.run(`timeout 3 bash -c 'exec 3<>/dev/tcp/${other.publicAddress}/22' || true`);
    const seen = await run("conntrack", ["-L", ...to], { namespace });
    // As it comes in: what goes out is of the VPC's own addresses.
    return [...seen.matchAll(/src=(?!172\.31\.)(\S+) dst=\S+ sport=\d+ dport=22 src=/g)].map(
      ([, from]) => from,
    );
  };
  assert.deepEqual(await until(seenFrom, (from) => from.length > 0), [PublicIp]);
  await client.send(new DeleteNatGatewayCommand({ NatGatewayId }));
  await waitUntilNatGatewayDeleted(patience, { NatGatewayIds });
  assert.deepEqual(await seenFrom(), [], "its route is a black hole");
  await client.send(new DisassociateRouteTableCommand({ AssociationId }));
  await client.send(new DeleteRouteTableCommand({ RouteTableId }));
  await client.send(new ReleaseAddressCommand({ AllocationId }));
  assert.deepEqual(
    readdirSync("/run/netns").filter((name) => name.startsWith(`${prefix}-vpc-`) && name.includes(".")),
    [],
  );
});

test("a guest's screen is what it drew on its console last, and waking it presses a key", async () => {
  assert.ok(
    (await litPixels(one.id)).some((lit) => lit > 0),
    "the kernel and systemd have printed on it",
  );
  const bar = "printf '\\033[2J\\033[H\\033[7m%80s\\033[0m' '' | sudo tee /dev/tty0 >/dev/null";
  const keyPresses = () => one.shell.run("awk '/i8042/ { print $2 + $3; exit }' /proc/interrupts");
  const before = Number(await keyPresses());
  // What the kernel or a service prints meanwhile stands below the bar: it is drawn again until it stands alone.
  const drawn = async () => {
    await one.shell.run(bar);
    return await litPixels(one.id, true);
  };
  const rows = await until(drawn, (lit) => lit.slice(32).every((pixels) => pixels === 0));
  assert.equal(rows.length, 400);
  assert.ok(
    rows.slice(0, 16).every((lit) => lit > 700),
    rows.join(),
  );
  assert.ok(
    rows.slice(32).every((lit) => lit === 0),
    rows.join(),
  );
  assert.ok(Number(await keyPresses()) > before);
});

/** How many pixels of each row of the instance's screen are lit. */
async function litPixels(InstanceId: string, WakeUp = false): Promise<number[]> {
  const { ImageData = "" } = await client.send(new GetConsoleScreenshotCommand({ InstanceId, WakeUp }));
  const { width, height, data } = decode(Buffer.from(ImageData, "base64"));
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_x, x) => data[4 * (y * width + x)] ?? 0).reduce(
      (lit, red) => lit + (red > 96 ? 1 : 0),
      0,
    ),
  );
}

test("a guest's metadata are its own, with a token and without", async () => {
  const read = (path: string) => one.shell.run(`curl -sS -m 10 ${metadata}/${path}`);
  assert.equal(await read("meta-data/instance-id"), one.id);
  assert.equal(await read("user-data"), "secret of one");
  const said = await one.shell.run(`
    token=$(curl -sS -m 10 -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 60' ${metadata}/api/token)
    for path in mac local-ipv4 public-ipv4 security-groups public-keys/ placement/region nothing; do
      curl -sS -m 10 -H "x-aws-ec2-metadata-token: $token" -w ' %{http_code}\\n' ${metadata}/meta-data/$path | tail -n 1
    done
    curl -sS -m 10 -o /dev/null -w '%{http_code}\\n' -H 'x-aws-ec2-metadata-token: forged' ${metadata}/meta-data/mac
    curl -sS -m 10 -o /dev/null -w '%{http_code}\\n' -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 60' -H 'x-forwarded-for: ${other.address}' ${metadata}/api/token
  `);
  const [mac, address, publicAddress, group, keys, where, nothing = "", forged, forwarded] = said
    .trimEnd()
    .split("\n");
  assert.deepEqual(
    [mac, address, publicAddress, group, keys, where],
    [one.mac, one.address, one.publicAddress, "one", "0=test", "us-east-1"].map((text) => `${text} 200`),
  );
  assert.match(nothing, / 404$/);
  assert.equal(forged, "401");
  assert.equal(forwarded, "403");
});

test("a guest that requires tokens gets nothing without one", async () => {
  const status = `curl -sS -m 10 -o /dev/null -w %{http_code} ${metadata}/meta-data/instance-id`;
  assert.equal(await other.shell.run(status), "401");
});

test("a guest finds itself and its neighbour by name, and has the time", async () => {
  const names = [one, other].map(({ address }) => `ip-${address.replaceAll(".", "-")}.ec2.internal`);
  const asking = Date.now() / 1000;
  const [own = "", neighbours = "", reverse = "", nobody, stratum, time] = (
    await one.shell.run(`
      for name in ${names.join(" ")}; do getent ahostsv4 $name | head -n 1; done
      getent hosts ${other.address}
      getent hosts ip-172-31-99-99.ec2.internal && echo somebody || echo nobody
      ${python(`
        import socket, struct
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)
        s.sendto(b"\\x23" + 47 * b"\\0", ("169.254.169.123", 123))
        answer = s.recv(512)
        print(answer[1]); print(struct.unpack("!I", answer[40:44])[0] - 2208988800)`)}
    `)
  ).split("\n");
  const answered = Date.now() / 1000;
  // Its own by /etc/hosts, as cloud-init writes it on Debian.
  assert.deepEqual([own.split(" ")[0], neighbours.split(" ")[0]], ["127.0.1.1", other.address]);
  const asked = await other.shell.run(`getent ahostsv4 ${names[0]} | head -n 1`);
  assert.equal(asked.split(" ")[0], one.address);
  assert.equal(reverse.split(/\s+/)[1], names[1]);
  assert.equal(nobody, "nobody");
  assert.ok(Number(stratum) > 0 && Number(stratum) < 16, `stratum ${stratum}`);
  assert.ok(Number(time) > asking - 5 && Number(time) < answered + 5, `${asking}, ${time}, ${answered}`);
});

test("a guest calls the region by the names of AWS's services, and never the real AWS", async () => {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_REGION: name } = region.environment;
  const call = (host: string, signing: string, body: string) =>
    one.shell.run(
      `curl -s -m 60 -u ${id}:${secret} --aws-sigv4 aws:amz:${signing} -d '${body}' https://${host}/ || echo failed: $?`,
    );
  const whoAmI = "Action=GetCallerIdentity&Version=2011-06-15";
  for (const host of ["sts.amazonaws.com", `sts.${name}.amazonaws.com`, `sts.${name}.api.aws`])
    assert.match(await call(host, `${name}:sts`, whoAmI), /<Account>\d{12}<\/Account>/, host);
  const zones = "Action=DescribeAvailabilityZones&Version=2016-11-15";
  assert.match(
    await call("ec2.eu-west-1.amazonaws.com", "eu-west-1:ec2", zones),
    /<regionName>eu-west-1<\/regionName>/,
  );
  const [line = "{}"] = readFileSync(join(region.dataDir, "log", "audit.log"), "utf8")
    .split("\n")
    .filter((text) => text.includes("DescribeAvailabilityZones"));
  const { source, network } = JSON.parse(line);
  const { VpcId: vpc } = await describe(one.id);
  assert.deepEqual({ source, network }, { source: one.address, network: vpc });

  // What the region does not serve it says so of, and what is for this host's users it does not tell guests.
  assert.match(
    await call("sqs.us-east-1.amazonaws.com", `${name}:sqs`, "Action=ListQueues"),
    /UnsupportedOperation/,
  );
  for (const path of ["_croft/health", "_croft/metrics", "_croft/status", "_croft/reset"])
    assert.match(await one.shell.run(`curl -s https://sts.amazonaws.com/${path}`), /<Code>\w+<\/Code>/, path);
  const addresses = await one.shell.run(
    "getent ahosts s3.eu-west-1.amazonaws.com | cut -d ' ' -f 1 | sort -u",
  );
  assert.equal(addresses.trim(), "169.254.169.240");
  // For clients that bring authorities of their own.
  assert.equal(await one.shell.run("echo $AWS_CA_BUNDLE"), "/etc/ssl/certs/ca-certificates.crt\n");
});

test("a guest reaches nothing of the host: not its API, not its end of the link, not its other networks", async () => {
  const server = createServer().listen(0, "0.0.0.0");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const targets = [
    "169.254.1.1",
    "172.31.0.1",
    ...own.filter((it) => it.family === "IPv4" && !it.internal).map((it) => it.address),
  ];
  const ports = [address.port, Number(new URL(region.endpoint).port)];
  try {
    const reached = await knock(
      one.shell,
      targets.flatMap((target) => ports.map((port) => `${target}/${port}`)),
    );
    assert.deepEqual(reached, []);
    assert.deepEqual(
      await knock(one.shell, ["169.254.169.254/80"]),
      ["169.254.169.254/80"],
      "knocking works",
    );
  } finally {
    server.close();
  }
});

test("a guest cannot send as its neighbour, or as nobody: not to others, and not to the metadata service", async () => {
  const nobody = "172.31.15.250";
  const heard = other.shell.open(
    python(`
      import socket
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 9999))
      print("listening", flush=True)
      while True: print(s.recvfrom(64)[1][0], flush=True)`),
  );
  let sources = "";
  heard.stdout.setEncoding("utf8").on("data", (text: string) => (sources += text));
  await until(
    async () => sources,
    (text) => text.includes("listening"),
  );
  const asOther = await one.shell.run(`
    sudo ip address add ${nobody}/32 dev lo
    ${python(`
      import socket
      def send(source):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((source, 0)); s.sendto(b"x", ("${other.address}", 9999))
      send("${nobody}"); send("${one.address}")`)}
    sudo ip address add ${other.address}/32 dev lo
    curl -s -m 5 --interface ${other.address} ${metadata}/meta-data/instance-id || echo nothing
    curl -s -m 5 --interface ${nobody} ${metadata}/meta-data/instance-id || echo nothing
    for address in ${other.address} ${nobody}; do sudo ip address del $address/32 dev lo; done
  `);
  assert.equal(asOther, "nothing\nnothing\n");
  await until(
    async () => sources,
    (text) => text.split("\n").length > 2,
    10_000,
  );
  heard.kill();
  assert.deepEqual(sources.trim().split("\n"), ["listening", one.address]);
});

test("no packet passes a network whose rules are gone, and within 5 s they are back", async () => {
  const network = readdirSync("/run/netns").find((name) => name.startsWith(`${prefix}-vpc-`));
  assert.ok(network);
  const flush = () => run("nft", ["flush", "ruleset"], { namespace: network });
  const { programs } = await region.status();
  const host = programs["croft-host"] ?? assert.fail("croft-host is down");
  assert.equal(await dial(one.publicAddress, 22, 10_000), "connected");
  process.kill(host, "SIGSTOP");
  try {
    await flush();
    assert.equal(await dial(one.publicAddress, 22, 3_000), "timeout", "while nobody repairs them");
  } finally {
    process.kill(host, "SIGCONT");
  }
  await comesBack("after croft-host was held up");
  await flush();
  await comesBack("at once");

  async function comesBack(when: string) {
    const since = performance.now();
    await until(
      () => dial(one.publicAddress, 22, 500),
      (outcome) => outcome === "connected",
    );
    assert.ok(performance.now() - since < 5_000, `${when}: ${performance.now() - since} ms`);
  }
});

test("a machine that dies stops its instance, says why, and starts again with its disk", async () => {
  await other.shell.run("echo kept > kept; sync");
  process.kill(machineProcess(other.id), "SIGKILL");
  await waitUntilInstanceStopped(patience, { InstanceIds: [other.id] });
  const { StateReason: reason, PublicIpAddress: address } = await describe(other.id);
  assert.equal(reason?.Code, "Server.InternalError");
  assert.match(reason.Message ?? "", /SIGKILL/);
  assert.equal(address, undefined, "its public address is given back");
  await client.send(new StartInstancesCommand({ InstanceIds: [other.id] }));
  await waitUntilInstanceRunning(patience, { InstanceIds: [other.id] });
  other = await neighbour(other.id);
  assert.equal(await other.shell.run("cat kept"), "kept\n");
});

test("a guest that powers itself off stops its instance", async () => {
  await other.shell.run("nohup sh -c 'sleep 1; sudo poweroff' > /dev/null 2>&1 &");
  await waitUntilInstanceStopped(patience, { InstanceIds: [other.id] });
  assert.equal((await describe(other.id)).StateReason?.Code, "Client.InstanceInitiatedShutdown");
});

test("terminated instances leave no process, disk, link or rule of theirs", async () => {
  await client.send(new TerminateInstancesCommand({ InstanceIds: [one.id, other.id] }));
  await waitUntilInstanceTerminated(patience, { InstanceIds: [one.id, other.id] });
  const theirs = (traces: readonly string[]) =>
    traces.filter((trace) => /\b(machine|disk|i-\w+)\b|\beni[0-9a-f]{12}/.test(trace));
  assert.deepEqual(theirs(await until(region.traces, (traces) => theirs(traces).length === 0)), []);
});

const metadata = "http://169.254.169.254/latest";
const patience = { client, maxWaitTime: 180, minDelay: 1, maxDelay: 2 };

/** A group that lets everyone in by ssh, and by UDP. */
async function openGroup(name: string): Promise<string> {
  const { GroupId: id = "" } = await client.send(
    new CreateSecurityGroupCommand({ GroupName: name, Description: name }),
  );
  const everyone = [{ CidrIp: "0.0.0.0/0" }];
  await client.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId: id,
      IpPermissions: [
        { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: everyone },
        { IpProtocol: "udp", FromPort: 0, ToPort: 65_535, IpRanges: everyone },
      ],
    }),
  );
  return id;
}

async function launch(groupId: string, more: Partial<RunInstancesCommandInput>): Promise<string> {
  const { Instances: [instance] = [] } = await client.send(
    new RunInstancesCommand({
      ImageId: region.imageId,
      InstanceType: "t3.micro",
      KeyName: "test",
      SecurityGroupIds: [groupId],
      MinCount: 1,
      MaxCount: 1,
      ...more,
    }),
  );
  return instance?.InstanceId ?? "";
}

async function describe(id: string): Promise<Instance> {
  const { Reservations: [reservation] = [] } = await client.send(
    new DescribeInstancesCommand({ InstanceIds: [id] }),
  );
  return reservation?.Instances?.[0] ?? assert.fail(`${id} is not described`);
}

async function neighbour(id: string): Promise<Neighbour> {
  const {
    PrivateIpAddress: address = "",
    PublicIpAddress: publicAddress = "",
    NetworkInterfaces: [nic] = [],
  } = await describe(id);
  return {
    id,
    address,
    publicAddress,
    mac: nic?.MacAddress ?? "",
    shell: await guestShell(publicAddress, keyFile),
  };
}

/** Those of `targets`, each "address/port", that take a TCP connection from within the guest. */
async function knock(shell: GuestShell, targets: readonly string[]): Promise<string[]> {
  const tries = targets.map(
    (target) => `(timeout 5 bash -c '</dev/tcp/${target}' 2>/dev/null && echo ${target}) &`,
  );
  return (await shell.run(`${tries.join("\n")}\nwait`)).split("\n").filter((line) => line !== "");
}

/** A shell command that runs the script, whose indentation goes with that of its first line. */
function python(script: string): string {
  const indent = /^\n( *)/.exec(script)?.[1] ?? "";
  return `python3 -c '${script.trimStart().replaceAll(`\n${indent}`, "\n")}'`;
}

/** QEMU carries `-name ID`. */
function machineProcess(id: string): number {
  const pid = readdirSync("/proc").find(
    (name) => /^\d+$/.test(name) && commandOf(name).some((word) => word.startsWith(id)),
  );
  return Number(pid ?? assert.fail(`${id} has no process`));
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
