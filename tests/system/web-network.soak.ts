import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { GetConsoleOutputCommand } from "@aws-sdk/client-ec2";
import { checkout } from "#checkout.ts";
import { run } from "#drivers/linux/commands.ts";
import { awsCli } from "../clients/aws-cli.ts";
import { dial } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/**
 * The network of `examples/web-network.sh`, with a real machine in each tier: who reaches whom on which port, before and after each
 * of twenty changes made by the aws CLI. Machines say what they reach on their consoles, so that no change can hide it.
 */
const region = await realRegion();
const aws = awsCli(region);
const files = mkdtempSync(join(tmpdir(), "croft-web-"));
after(() => rmSync(files, { recursive: true }));

const machines = ["bastion", "web", "app", "database"] as const;
const targets = [
  ["bastion:22", "10.20.0.10"],
  ["web:22", "10.20.1.10"],
  ["web:80", "10.20.1.10"],
  ["app:22", "10.20.10.10"],
  ["app:8080", "10.20.10.10"],
  ["database:22", "10.20.20.10"],
  ["database:5432", "10.20.20.10"],
  ["public:80", ""],
] as const;

/** On every machine: over and over, one line for the console with a mark for each target. The web server's public address is a tag. */
const reach = `cat > /srv/reach.py <<'END'
import socket, threading, time, urllib.request
targets = ${JSON.stringify(targets.map(([name, address]) => [Number(name.split(":")[1]), address]))}
def metadata(path, method="GET", **headers):
    asked = urllib.request.Request("http://169.254.169.254/latest/" + path, method=method, headers=headers)
    return urllib.request.urlopen(asked, timeout=5).read().decode()
def public():
    try:
        token = metadata("api/token", "PUT", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        return metadata("meta-data/tags/instance/web-address", **{"X-aws-ec2-metadata-token": token})
    except Exception:
        return None
def probe(n, port, address, marks):
    try:
        socket.create_connection((address, port), timeout=4).close()
        marks[n] = "+"
    except Exception:
        pass
number = 0
while True:
    number += 1
    marks, web = ["-"] * len(targets), public()
    threads = [threading.Thread(target=probe, args=(n, port, address or web, marks)) for n, (port, address) in enumerate(targets) if address or web]
    for it in threads: it.start()
    for it in threads: it.join()
    with open("/dev/ttyS0", "w") as console:
        console.write("\\\\nreach %d %s\\\\n" % (number, "".join(marks)))
    time.sleep(2)
END
systemd-run --unit reach python3 /srv/reach.py
`.replaceAll("\\\\n", "\\n");

const ids: Record<string, string> = {};
const expected = new Set(
  [
    "host>bastion:22 host>web:80",
    "bastion>web:22 bastion>web:80 bastion>app:22 bastion>database:22 bastion>public:80",
    "web>bastion:22 web>app:8080",
    "app>bastion:22 app>web:80 app>database:5432 app>public:80",
  ].flatMap((line) => line.split(" ")),
);

before(async () => {
  const also = join(files, "reach.sh");
  writeFileSync(also, reach);
  const variables = { ...region.environment, PATH: "/usr/bin:/bin", HOME: files, AWS_PAGER: "" };
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const script = join(checkout, "examples/web-network.sh");
  const printed = await run("env", ["-i", ...assignments, script, also], { timeoutMs: 1_200_000 });
  for (const line of printed.trim().split("\n")) {
    const [name = "", value = ""] = line.split("=");
    ids[name] = value;
  }
  for (const name of machines) {
    const instance = `--instance-id ${ids[name]}`;
    await aws.text(`ec2 modify-instance-metadata-options ${instance} --instance-metadata-tags enabled`);
    await aws.text(
      `ec2 create-tags --resources ${ids[name]} --tags Key=web-address,Value=${ids["web_address"]}`,
    );
  }
});

interface Round {
  readonly number: number;
  readonly reached: readonly string[];
}

/** The last round that a machine told whole. */
async function lastRound(name: string): Promise<Round> {
  const { Output = "" } = await region.client.send(
    new GetConsoleOutputCommand({ InstanceId: ids[name], Latest: true }),
  );
  const lines = Buffer.from(Output, "base64")
    .toString()
    .matchAll(/^reach (\d+) ([+-]{8})\r?$/gm);
  const [, number = "0", marks = ""] = [...lines].at(-1) ?? [];
  const reached = targets.flatMap(([target], n) =>
    marks[n] === "+" && !target.startsWith(`${name}:`) && !(name === "web" && target === "public:80")
      ? [`${name}>${target}`]
      : [],
  );
  return { number: Number(number), reached };
}

async function fromHost(): Promise<string[]> {
  const asked = [
    ["host>bastion:22", "bastion_address", 22],
    ["host>web:22", "web_address", 22],
    ["host>web:80", "web_address", 80],
  ] as const;
  const outcomes = await Promise.all(
    asked.map(async ([edge, name, port]) => [edge, await dial(ids[name] ?? "", port, 4_000)] as const),
  );
  return outcomes.flatMap(([edge, outcome]) => (outcome === "connected" ? [edge] : []));
}

/** What everyone reaches in a round that began after this was called. */
async function seen(): Promise<string[]> {
  const begun = await Promise.all(machines.map(lastRound));
  const rounds = await Promise.all(
    machines.map((name, n) =>
      until(
        () => lastRound(name),
        ({ number }) => number > (begun[n]?.number ?? 0) + 1,
        240_000,
      ),
    ),
  );
  return [...(await fromHost()), ...rounds.flatMap(({ reached }) => reached)].toSorted();
}

const agree = async (what: string) => {
  const wanted = [...expected].toSorted();
  const found = await until(seen, (edges) => String(edges) === String(wanted), 600_000);
  assert.deepEqual(found, wanted, what);
};

test("everyone reaches whom they should, and nobody else", () => agree("as made"));

const rule = (group: string, port: number, peer: string) =>
  `--group-id ${ids[group]} --protocol tcp --port ${port} ${peer}`;
const toNat = (table: string, gateway: string) =>
  `--route-table-id ${ids[table]} --destination-cidr-block 0.0.0.0/0 --nat-gateway-id ${ids[gateway]}`;
const out = (table: string) => `--route-table-id ${ids[table]} --destination-cidr-block 0.0.0.0/0`;
const published = "host>web:80 bastion>web:80 bastion>public:80";
const ofBastion = "web>bastion:22 app>bastion:22 database>bastion:22";
const byBastion = "bastion>web:22 bastion>web:80 bastion>app:22 bastion>database:22 bastion>public:80";

/** Puts a subnet under another network ACL. */
const underAcl = async (subnet: string, acl: string) => {
  const query = `NetworkAcls[0].Associations[?SubnetId=='${ids[subnet]}'].NetworkAclAssociationId`;
  const found = await aws.text(
    `ec2 describe-network-acls --filters Name=association.subnet-id,Values=${ids[subnet]} --query ${query}`,
  );
  await aws.text(
    `ec2 replace-network-acl-association --association-id ${found.trim()} --network-acl-id ${acl}`,
  );
};

const changes: [what: string, change: () => Promise<unknown>, closes: string, opens?: string][] = [
  [
    "the database's port closes",
    () =>
      aws.text(
        `ec2 revoke-security-group-ingress ${rule("database_group", 5432, `--source-group ${ids["app_group"]}`)}`,
      ),
    "app>database:5432",
  ],
  [
    "and opens",
    () =>
      aws.text(
        `ec2 authorize-security-group-ingress ${rule("database_group", 5432, `--source-group ${ids["app_group"]}`)}`,
      ),
    "",
    "app>database:5432",
  ],
  [
    "the databases' ACL refuses a private subnet",
    () =>
      aws.text(
        `ec2 create-network-acl-entry --network-acl-id ${ids["database_acl"]} --rule-number 90 --ingress --protocol 6 --cidr-block 10.20.10.0/24 --port-range From=5432,To=5432 --rule-action deny`,
      ),
    "app>database:5432",
  ],
  [
    "and no longer",
    () =>
      aws.text(
        `ec2 delete-network-acl-entry --network-acl-id ${ids["database_acl"]} --rule-number 90 --ingress`,
      ),
    "",
    "app>database:5432",
  ],
  [
    "a private subnet loses its way out",
    () => aws.text(`ec2 delete-route ${out("private_routes_a")}`),
    "app>public:80",
  ],
  [
    "and has one by another zone's NAT gateway",
    () => aws.text(`ec2 create-route ${toNat("private_routes_a", "nat_gateway_b")}`),
    "",
    "app>public:80",
  ],
  [
    "which is deleted",
    () => aws.text(`ec2 delete-nat-gateway --nat-gateway-id ${ids["nat_gateway_b"]}`),
    "app>public:80",
  ],
  [
    "so that its own zone's takes its place",
    () => aws.text(`ec2 replace-route ${toNat("private_routes_a", "nat_gateway_a")}`),
    "",
    "app>public:80",
  ],
  [
    "the public subnets lose their way out",
    () => aws.text(`ec2 delete-route ${out("public_routes")}`),
    "host>bastion:22 host>web:80 bastion>public:80 app>public:80",
  ],
  [
    "and have it again",
    () => aws.text(`ec2 create-route ${out("public_routes")} --gateway-id ${ids["internet_gateway"]}`),
    "",
    "host>bastion:22 host>web:80 bastion>public:80 app>public:80",
  ],
  [
    "the bastion loses its public address",
    () => aws.text(`ec2 disassociate-address --association-id ${ids["bastion_association"]}`),
    "host>bastion:22 bastion>public:80",
  ],
  [
    "and has it again",
    () =>
      aws.text(
        `ec2 associate-address --allocation-id ${ids["bastion_allocation"]} --instance-id ${ids["bastion"]}`,
      ),
    "",
    "host>bastion:22 bastion>public:80",
  ],
  [
    "the web server is closed to everybody",
    () => aws.text(`ec2 revoke-security-group-ingress ${rule("web_group", 80, "--cidr 0.0.0.0/0")}`),
    `${published} app>web:80 app>public:80`,
  ],
  [
    "but for the group of the application, inside",
    () =>
      aws.text(
        `ec2 authorize-security-group-ingress ${rule("web_group", 80, `--source-group ${ids["app_group"]}`)}`,
      ),
    "",
    "app>web:80",
  ],
  [
    "and for who comes by the NAT gateway",
    async () => {
      const address = await aws.text(
        `ec2 describe-addresses --allocation-ids ${ids["nat_address_a"]} --query Addresses[0].PublicIp`,
      );
      await aws.text(
        `ec2 authorize-security-group-ingress ${rule("web_group", 80, `--cidr ${address.trim()}/32`)}`,
      );
    },
    "",
    "app>public:80",
  ],
  [
    "and then for everybody again",
    () => aws.text(`ec2 authorize-security-group-ingress ${rule("web_group", 80, "--cidr 0.0.0.0/0")}`),
    "",
    published,
  ],
  [
    "the web server joins the bastion's group",
    () =>
      aws.text(
        `ec2 modify-instance-attribute --instance-id ${ids["web"]} --groups ${ids["web_group"]} ${ids["bastion_group"]}`,
      ),
    "",
    "host>web:22 app>web:22 web>app:22 web>database:22",
  ],
  [
    "and leaves it",
    () => aws.text(`ec2 modify-instance-attribute --instance-id ${ids["web"]} --groups ${ids["web_group"]}`),
    "host>web:22 app>web:22 web>app:22 web>database:22",
  ],
  [
    "the database's subnet is under the default ACL",
    async () => {
      const acl = await aws.text(
        `ec2 describe-network-acls --filters Name=vpc-id,Values=${ids["vpc"]} Name=default,Values=true --query NetworkAcls[0].NetworkAclId`,
      );
      await underAcl("database_a", acl.trim());
    },
    "",
    "database>bastion:22 database>web:80",
  ],
  [
    "a public subnet is under an ACL that lets nothing pass",
    async () => {
      const acl = await aws.text(
        `ec2 create-network-acl --vpc-id ${ids["vpc"]} --query NetworkAcl.NetworkAclId`,
      );
      await underAcl("public_a", acl.trim());
    },
    `host>bastion:22 ${byBastion} ${ofBastion} app>public:80`,
  ],
];

for (const [what, change, closes, opens = ""] of changes)
  test(what, async () => {
    await change();
    for (const edge of closes.split(" ")) expected.delete(edge);
    for (const edge of opens.split(" ").filter(Boolean)) expected.add(edge);
    await agree(what);
  });
