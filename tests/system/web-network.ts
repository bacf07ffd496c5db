import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { checkout } from "#checkout.ts";
import { run } from "#drivers/linux/commands.ts";
import type { awsCli } from "../clients/aws-cli.ts";
import type { FakeRegion } from "../clients/fake-region.ts";

/**
 * The network of `examples/web-network.sh`, and who reaches whom on which port in it, before and after each of twenty changes made
 * by the aws CLI. An edge is "FROM>TO:PORT"; `public` is the web server by its public address.
 */
export const machines = ["bastion", "web", "app", "database"] as const;
export const targets = [
  ["bastion:22", "10.20.0.10"],
  ["web:22", "10.20.1.10"],
  ["web:80", "10.20.1.10"],
  ["app:22", "10.20.10.10"],
  ["app:8080", "10.20.10.10"],
  ["database:22", "10.20.20.10"],
  ["database:5432", "10.20.20.10"],
  ["public:80", ""],
] as const;

/** Makes the changes one by one, each a test with one before them all, and prints who reaches whom: expected against seen. */
export async function tellReach(
  t: TestContext,
  changes: readonly Change[],
  seen: (expected: readonly string[]) => Promise<readonly string[]>,
): Promise<void> {
  const edges = new Set(edgesAtFirst);
  const agree = (what: string) =>
    t.test(what, async (it) => {
      const expected = [...edges].toSorted();
      const found = await seen(expected);
      it.diagnostic(`expected ${expected.join(" ")}`);
      it.diagnostic(`seen     ${found.join(" ")}`);
      assert.deepEqual(found, expected);
    });
  await agree("as made");
  for (const [what, change, closes, opens = ""] of changes) {
    await change();
    for (const edge of closes.split(" ")) edges.delete(edge);
    for (const edge of opens.split(" ").filter(Boolean)) edges.add(edge);
    await agree(what);
  }
}

/** What the script made, by the names it prints. */
export type Made = Readonly<Record<string, string>>;

/** `also`: a script that every machine runs at its first boot. */
export async function makeWebNetwork({ environment, endpoint }: Place, also?: string): Promise<Made> {
  const variables = { ...environment, AWS_ENDPOINT_URL: endpoint, PATH: "/usr/bin:/bin", AWS_PAGER: "" };
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const script = [join(checkout, "examples/web-network.sh"), ...(also === undefined ? [] : [also])];
  const printed = await run("env", ["-i", ...assignments, ...script], { timeoutMs: 1_200_000 });
  return Object.fromEntries(
    printed
      .trim()
      .split("\n")
      .map((line) => line.split("=") as [string, string]),
  );
}

type Place = Pick<FakeRegion, "environment" | "endpoint">;

const edgesAtFirst = [
  "host>bastion:22 host>web:80",
  "bastion>web:22 bastion>web:80 bastion>app:22 bastion>database:22 bastion>public:80",
  "web>bastion:22 web>app:8080",
  "app>bastion:22 app>web:80 app>database:5432 app>public:80",
].flatMap((line) => line.split(" "));

/** A change, and the edges that it closes and opens. */
type Change = [what: string, change: () => Promise<unknown>, closes: string, opens?: string];

export const changesOf = (aws: Pick<ReturnType<typeof awsCli>, "text">, ids: Made): Change[] => {
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

  return [
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
      () =>
        aws.text(`ec2 modify-instance-attribute --instance-id ${ids["web"]} --groups ${ids["web_group"]}`),
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
};
