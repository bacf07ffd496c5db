import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { waitUntilInstanceRunning, waitUntilInstanceStopped } from "@aws-sdk/client-ec2";
import { hostNames } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { interfaceLink } from "#drivers/network/netns/names.ts";
import { dial, guestShell, saveKey, type GuestShell } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** One Debian guest, and an interface that comes to it, goes from it, and comes again while it is stopped. */
const files = mkdtempSync(join(tmpdir(), "croft-nic-"));
after(() => rmSync(files, { recursive: true }));
const region = await realRegion();
const { client: ec2 } = region;
const keyFile = join(files, "key.pem");
const patience = { client: ec2, maxWaitTime: 180, minDelay: 1, maxDelay: 2 };
const patienceMs = 180_000;

let instance = "";
let nic: { id: string; mac: string; address: string; publicAddress: string };
let first: GuestShell;
let attachment = "";

test("an interface plugged into a running guest comes up as ens6, with a lease of its own", async () => {
  const { KeyMaterial: key = "" } = await ec2.createKeyPair({ KeyName: "nic", KeyType: "ed25519" });
  saveKey(keyFile, key);
  const ssh = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "0.0.0.0/0" }] };
  await ec2.authorizeSecurityGroupIngress({ GroupName: "default", IpPermissions: [ssh] });
  const { Instances: [launched] = [] } = await ec2.runInstances({
    ImageId: region.imageId,
    InstanceType: "t3.micro",
    KeyName: "nic",
    MinCount: 1,
    MaxCount: 1,
  });
  instance = launched?.InstanceId ?? "";
  const made = await ec2.createNetworkInterface({ SubnetId: launched?.SubnetId });
  const id = made.NetworkInterface?.NetworkInterfaceId ?? "";
  const { AllocationId, PublicIp: publicAddress = "" } = await ec2.allocateAddress({});
  await ec2.associateAddress({ AllocationId, NetworkInterfaceId: id });
  nic = {
    id,
    mac: made.NetworkInterface?.MacAddress ?? "",
    address: made.NetworkInterface?.PrivateIpAddress ?? "",
    publicAddress,
  };
  await waitUntilInstanceRunning(patience, { InstanceIds: [instance] });
  const { Reservations: [reservation] = [] } = await ec2.describeInstances({ InstanceIds: [instance] });
  first = await guestShell(reservation?.Instances?.[0]?.PublicIpAddress ?? "", keyFile);
  await attach();
  await becomes("attached");
  assert.match(await addressesOn("ens6"), new RegExp(`inet ${nic.address}/`));
});

test("the guest is reached at it, its way out stays the first, and the metadata tells of both", async () => {
  const second = await guestShell(nic.publicAddress, keyFile);
  assert.equal(await second.run("cat /sys/class/net/ens6/address"), `${nic.mac}\n`);
  assert.match(await second.run('echo "$SSH_CONNECTION"'), new RegExp(` ${nic.address} 22\n`));
  const defaults = await first.run("ip route show default");
  assert.match(defaults, /^default via \S+ dev ens5 [^\n]*\n$/);
  const told = await first.run(`
    imds=http://169.254.169.254/latest
    token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $imds/api/token)
    curl -sf -H "X-aws-ec2-metadata-token: $token" $imds/meta-data/network/interfaces/macs/${nic.mac}/{device-number,interface-id,local-ipv4s}`);
  assert.equal(told, `1${nic.id}${nic.address}`);
});

test("links that someone removed are made again, and the guest's connections live on", async () => {
  const session = first.open("echo begun; sleep 15; echo through");
  let said = "";
  session.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  await until(
    async () => said,
    (it) => it.includes("begun"),
    patienceMs,
  );
  const { Reservations: [reservation] = [] } = await ec2.describeInstances({ InstanceIds: [instance] });
  const { VpcId, NetworkInterfaces = [] } = reservation?.Instances?.[0] ?? {};
  const namespace = `${hostNames(region.dataDir).prefix}-${VpcId}`;
  for (const { NetworkInterfaceId = "" } of NetworkInterfaces)
    await run("ip", ["link", "delete", "dev", interfaceLink(NetworkInterfaceId)], { namespace });
  assert.equal(
    await until(
      async () => said,
      (it) => it.includes("through"),
      patienceMs,
    ),
    "begun\nthrough\n",
  );
  // What is longer than a packet, both ways, also by the second.
  const second = await guestShell(nic.publicAddress, keyFile);
  for (const shell of [first, second]) {
    const long = "x".repeat(500_000);
    assert.equal(await shell.run(`# ${long}\nhead -c 500000 /dev/zero | tr '\\0' x`), long);
  }
  const { InstanceStatuses: [it] = [] } = await until(
    () => ec2.describeInstanceStatus({ InstanceIds: [instance] }),
    (seen) => seen.InstanceStatuses?.[0]?.SystemStatus?.Status === "ok",
  );
  assert.deepEqual([it?.SystemStatus?.Status, it?.InstanceStatus?.Status], ["ok", "ok"]);
});

test("it is taken from the guest, also by programs that did not plug it in", async () => {
  await region.stop();
  await region.start();
  assert.equal(await status(), "attached");
  await ec2.detachNetworkInterface({ AttachmentId: attachment });
  await becomes("available");
  const links = await until(
    () => first.run("ls /sys/class/net"),
    (shown) => !shown.includes("ens6"),
    patienceMs,
  );
  assert.equal(links, "ens5\nlo\n");
  assert.notEqual(await dial(nic.publicAddress, 22, 1_000), "connected");
  const rules = await until(
    () => first.run("ip rule"),
    (shown) => !shown.includes(nic.address),
    patienceMs,
  );
  assert.match(rules, /^0:.*\n32766:.*\n32767:.*\n$/);
});

test("attached while the instance is stopped, it is there when that has started", async () => {
  await ec2.stopInstances({ InstanceIds: [instance] });
  await waitUntilInstanceStopped(patience, { InstanceIds: [instance] });
  await attach();
  await becomes("attached");
  await ec2.startInstances({ InstanceIds: [instance] });
  const second = await guestShell(nic.publicAddress, keyFile);
  assert.equal(await second.run("cat /sys/class/net/ens6/address"), `${nic.mac}\n`);
});

async function attach(): Promise<void> {
  const { AttachmentId = "" } = await ec2.attachNetworkInterface({
    DeviceIndex: 1,
    InstanceId: instance,
    NetworkInterfaceId: nic.id,
  });
  attachment = AttachmentId;
}

/** Of the attachment; of the interface when it has none. */
async function status(): Promise<string | undefined> {
  const { NetworkInterfaces: [it] = [] } = await ec2.describeNetworkInterfaces({
    NetworkInterfaceIds: [nic.id],
  });
  return it?.Attachment?.Status ?? it?.Status;
}

async function becomes(wanted: string): Promise<void> {
  const seen = await until(status, (now) => now === wanted, patienceMs);
  assert.equal(seen, wanted);
}

const addressesOn = (name: string): Promise<string> =>
  until(
    () => first.run(`ip -4 -o address show dev ${name} 2>&1 || true`),
    (shown) => shown.includes("inet "),
    patienceMs,
  );
