import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { listAgain } from "./list-again.ts";

/**
 * Format 2: a VPC's route table, network ACL, internet gateway and DHCP options are records. Every VPC of before was a default one,
 * which let everything out to the internet: it gets what it would be made with now. Watchers must list again.
 */
export function addVpcParts(db: DatabaseSync): void {
  const rows = (kind: string) =>
    db
      .prepare("SELECT key, value FROM entry WHERE key >= ? AND key < ?")
      .all(`${kind}/`, `${kind}0`)
      .map(({ key, value }) => ({
        scope: String(key).split("/").slice(1, 3).join("/"),
        ...parsed(String(value)),
      }));
  const insert = db.prepare("INSERT INTO entry (key, value, revision) VALUES (?, ?, ?)");
  const [vpcs, subnets, groups] = [rows("vpc"), rows("subnet"), rows("security-group")];

  if (vpcs.length === 0) return;
  const revision = listAgain(db);
  const has = db.prepare("SELECT 1 FROM entry WHERE key = ?");
  for (const { scope, id: vpcId, dhcpOptionsId, createdAt } of vpcs) {
    if (has.get(`claim/${scope}/main-route-table/${vpcId}`)) continue;
    const put = (kind: string, id: string, value: unknown) =>
      insert.run(`${kind}/${scope}/${id}`, JSON.stringify(value), revision);
    const [table, acl, gateway] = [newId("rtb"), newId("acl"), newId("igw")];
    const inside = subnets.filter((it) => it.vpcId === vpcId);
    const common = { tags: {}, createdAt };
    const region = scope.split("/")[1] ?? "";
    put("route-table", table, {
      id: table,
      vpcId,
      routes: [{ destination: "0.0.0.0/0", target: { internetGatewayId: gateway } }],
      associations: [{ id: newId("rtbassoc"), main: true }],
      ...common,
    });
    put("network-acl", acl, {
      id: acl,
      vpcId,
      isDefault: true,
      entries: [false, true].map((egress) => ({
        number: 100,
        egress,
        protocol: -1,
        allows: true,
        peer: { cidr: "0.0.0.0/0" },
      })),
      associations: inside.map((subnet) => ({ id: newId("aclassoc"), subnetId: subnet.id })),
      ...common,
    });
    put("internet-gateway", gateway, { id: gateway, vpcId, ...common });
    put("dhcp-options", dhcpOptionsId, {
      id: dhcpOptionsId,
      configuration: {
        "domain-name": [region === "us-east-1" ? "ec2.internal" : `${region}.compute.internal`],
        "domain-name-servers": ["AmazonProvidedDNS"],
      },
      ...common,
    });
    put("claim", `main-route-table/${vpcId}`, table);
    put("claim", `default-network-acl/${vpcId}`, acl);
    put("claim", `internet-gateway-of/${vpcId}`, gateway);
    put("claim", "default-dhcp-options", dhcpOptionsId);
    const named = groups.filter((it) => it.vpcId === vpcId && it.name !== "default");
    for (const part of [gateway, ...[...inside, ...named].map(({ id }) => id)])
      put("member", `${vpcId}/${part}`, null);
  }
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly vpcId: string;
  readonly dhcpOptionsId: string;
  readonly createdAt: string;
}
const parsed = (text: string): Row => JSON.parse(text);

const newId = (prefix: string) => `${prefix}-0${randomBytes(8).toString("hex")}`;
