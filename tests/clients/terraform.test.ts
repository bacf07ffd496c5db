import assert from "node:assert/strict";
import { test } from "node:test";
import type { IpPermission, SecurityGroupRuleRequest } from "@aws-sdk/client-ec2";
import { recorded, retag, tagList, tagMap } from "./terraform.ts";

const limit = { timeout: 20_000 };
const tags = { Name: "web", team: "a" };
const publicKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIKGuy2Lq0tZ7XgVQRy1Dz2NhXl+bJH6ZzW8Nf4s7rJX me@example.com";

test(
  "aws_key_pair: a second plan is empty, tags change in place, and destroy leaves nothing",
  limit,
  async (t) => {
    const { client, calls } = await recorded(t);
    const read = async () => {
      const { KeyPairs: [key, ...more] = [] } = await client.describeKeyPairs({ KeyNames: ["deployer"] });
      assert.deepEqual(more, []);
      return {
        id: key?.KeyName,
        fingerprint: key?.KeyFingerprint,
        key_pair_id: key?.KeyPairId,
        key_type: key?.KeyType,
        tags: tagMap(key?.Tags),
      };
    };

    const made = await client.importKeyPair({
      KeyName: "deployer",
      PublicKeyMaterial: Buffer.from(publicKey),
      TagSpecifications: [{ ResourceType: "key-pair", Tags: tagList(tags) }],
    });
    const state = await read();
    assert.deepEqual(state, {
      id: "deployer",
      fingerprint: made.KeyFingerprint,
      key_pair_id: made.KeyPairId,
      key_type: "ed25519",
      tags,
    });
    assert.deepEqual(await read(), state, "the second plan");

    await retag(client, made.KeyPairId ?? "", { team: "a" }, { Name: "ssh" });
    assert.deepEqual(await read(), { ...state, tags: { Name: "ssh" } });

    await client.deleteKeyPair({ KeyName: "deployer" });
    await assert.rejects(read(), { name: "InvalidKeyPair.NotFound" });
    assert.deepEqual(calls, [
      "ImportKeyPair",
      "DescribeKeyPairs",
      "DescribeKeyPairs",
      "DeleteTags",
      "CreateTags",
      "DescribeKeyPairs",
      "DeleteKeyPair",
      "DescribeKeyPairs",
    ]);
  },
);

test(
  "aws_security_group: its rules are exactly those written, before and after a change",
  limit,
  async (t) => {
    const { client, calls } = await recorded(t);
    const [ssh, http, everywhere] = [
      rule("tcp", 22, ["10.0.0.0/8", "192.0.2.0/24"], "operators"),
      rule("tcp", 80, ["0.0.0.0/0"], ""),
      rule("-1", 0, ["0.0.0.0/0"], ""),
    ];

    const { GroupId = "" } = await client.createSecurityGroup({
      GroupName: "web",
      Description: "Managed by Terraform",
      TagSpecifications: [{ ResourceType: "security-group", Tags: tagList(tags) }],
    });
    const find = async () => {
      const { SecurityGroups: [group, ...more] = [] } = await client.describeSecurityGroups({
        GroupIds: [GroupId],
      });
      assert.deepEqual(more, []);
      return group;
    };
    const read = async () => {
      const group = await find();
      return {
        name: group?.GroupName,
        description: group?.Description,
        owner_id: group?.OwnerId,
        tags: tagMap(group?.Tags),
        ingress: gathered(group?.IpPermissions),
        egress: gathered(group?.IpPermissionsEgress),
      };
    };
    await find();
    // The rule that every group is born with goes, and the one it would have with IPv6.
    await client.revokeSecurityGroupEgress({ GroupId, IpPermissions: [permission(everywhere)] });
    const ipv6 = { IpProtocol: "-1", FromPort: 0, ToPort: 0, Ipv6Ranges: [{ CidrIpv6: "::/0" }] };
    await client.revokeSecurityGroupEgress({ GroupId, IpPermissions: [ipv6] });
    await find();
    await client.authorizeSecurityGroupIngress({ GroupId, IpPermissions: [permission(ssh)] });
    await client.authorizeSecurityGroupEgress({ GroupId, IpPermissions: [permission(everywhere)] });
    const state = await read();
    assert.deepEqual(state, {
      name: "web",
      description: "Managed by Terraform",
      owner_id: "111122223333",
      tags,
      ingress: [ssh],
      egress: [everywhere],
    });
    assert.deepEqual(await read(), state, "the second plan");

    await find();
    await client.revokeSecurityGroupIngress({ GroupId, IpPermissions: [permission(ssh)] });
    await client.authorizeSecurityGroupIngress({ GroupId, IpPermissions: [permission(http)] });
    const changed = await read();
    assert.deepEqual(changed, { ...state, ingress: [http] });
    assert.deepEqual(await read(), changed, "the plan after the change");

    const lingering = await client.describeNetworkInterfaces({
      Filters: [{ Name: "group-id", Values: [GroupId] }],
    });
    assert.deepEqual(lingering.NetworkInterfaces, []);
    await client.deleteSecurityGroup({ GroupId });
    await assert.rejects(find(), { name: "InvalidGroup.NotFound" });
    assert.deepEqual(
      calls.filter((name) => name !== "DescribeSecurityGroups"),
      [
        "CreateSecurityGroup",
        "RevokeSecurityGroupEgress",
        "RevokeSecurityGroupEgress",
        "AuthorizeSecurityGroupIngress",
        "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupIngress",
        "AuthorizeSecurityGroupIngress",
        "DescribeNetworkInterfaces",
        "DeleteSecurityGroup",
      ],
    );
  },
);

const ruleConfigurations: readonly [
  what: string,
  before: SecurityGroupRuleRequest,
  after: SecurityGroupRuleRequest,
][] = [
  [
    "from an IPv4 network",
    { IpProtocol: "tcp", FromPort: 443, ToPort: 443, CidrIpv4: "10.0.0.0/8", Description: "inside" },
    { IpProtocol: "tcp", FromPort: 8443, ToPort: 8443, CidrIpv4: "10.1.0.0/16" },
  ],
  [
    "from an IPv6 network",
    { IpProtocol: "udp", FromPort: 53, ToPort: 53, CidrIpv6: "2001:db8::/32" },
    { IpProtocol: "udp", FromPort: 53, ToPort: 54, CidrIpv6: "2001:db8::/32", Description: "names" },
  ],
  [
    "of every protocol",
    { IpProtocol: "-1", CidrIpv4: "10.0.0.0/8" },
    { IpProtocol: "icmp", FromPort: 8, ToPort: -1, CidrIpv4: "10.0.0.0/8" },
  ],
];
for (const [what, before, after] of ruleConfigurations)
  test(
    `aws_vpc_security_group_ingress_rule ${what}: plans are empty, changes keep its id`,
    limit,
    async (t) => {
      const { client, calls } = await recorded(t);
      const { GroupId = "" } = await client.createSecurityGroup({ GroupName: "web", Description: "the web" });
      const made = await client.authorizeSecurityGroupIngress({
        GroupId,
        IpPermissions: [asPermission(before)],
        TagSpecifications: [{ ResourceType: "security-group-rule", Tags: tagList(tags) }],
      });
      const id = made.SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? "";
      const read = async () => {
        const { SecurityGroupRules: [found, ...more] = [] } = await client.describeSecurityGroupRules({
          SecurityGroupRuleIds: [id],
        });
        assert.deepEqual(more, []);
        assert.equal(found?.IsEgress, false);
        assert.equal(found?.GroupId, GroupId);
        return { rule: planned(found), tags: tagMap(found?.Tags) };
      };
      assert.deepEqual(await read(), { rule: before, tags });
      assert.deepEqual(await read(), { rule: before, tags }, "the second plan");

      await client.modifySecurityGroupRules({
        GroupId,
        SecurityGroupRules: [{ SecurityGroupRuleId: id, SecurityGroupRule: after }],
      });
      await retag(client, id, { team: "a" }, { Name: "other" });
      assert.deepEqual(await read(), { rule: after, tags: { Name: "other" } });
      assert.deepEqual(await read(), { rule: after, tags: { Name: "other" } }, "the plan after the change");

      await client.revokeSecurityGroupIngress({ GroupId, SecurityGroupRuleIds: [id] });
      await assert.rejects(read(), { name: "InvalidSecurityGroupRuleId.NotFound" });
      await client.deleteSecurityGroup({ GroupId });
      assert.deepEqual(
        calls.filter((name) => name !== "DescribeSecurityGroupRules"),
        [
          "CreateSecurityGroup",
          "AuthorizeSecurityGroupIngress",
          "ModifySecurityGroupRules",
          "DeleteTags",
          "CreateTags",
          "RevokeSecurityGroupIngress",
          "DeleteSecurityGroup",
        ],
      );
    },
  );

/** A block of the configuration: one protocol and port range with all its networks. */
function rule(protocol: string, port: number, networks: readonly string[], description: string) {
  return { protocol, from_port: port, to_port: port, cidr_blocks: [...networks], description };
}
type RuleBlock = ReturnType<typeof rule>;

const permission = (block: RuleBlock): IpPermission => ({
  IpProtocol: block.protocol,
  FromPort: block.from_port,
  ToPort: block.to_port,
  IpRanges: block.cidr_blocks.map((CidrIp) => ({
    CidrIp,
    ...(block.description !== "" && { Description: block.description }),
  })),
});

/** As the provider writes what it reads into its state: no ports are port 0. */
const gathered = (permissions: readonly IpPermission[] = []): RuleBlock[] =>
  permissions.map((it) => ({
    protocol: it.IpProtocol ?? "",
    from_port: it.FromPort ?? 0,
    to_port: it.ToPort ?? 0,
    cidr_blocks: it.IpRanges?.map(({ CidrIp = "" }) => CidrIp) ?? [],
    description: it.IpRanges?.[0]?.Description ?? "",
  }));

const asPermission = ({
  CidrIpv4,
  CidrIpv6,
  Description,
  ...traffic
}: SecurityGroupRuleRequest): IpPermission => ({
  ...traffic,
  ...(CidrIpv4 !== undefined && { IpRanges: [{ CidrIp: CidrIpv4, Description }] }),
  ...(CidrIpv6 !== undefined && { Ipv6Ranges: [{ CidrIpv6, Description }] }),
});

/** A port of -1 that the configuration does not name stays out of the state. */
function planned(found: SecurityGroupRuleRequest | undefined): SecurityGroupRuleRequest {
  const { IpProtocol, FromPort, ToPort, CidrIpv4, CidrIpv6, Description } = found ?? {};
  const ports = IpProtocol === "-1" && FromPort === -1 && ToPort === -1 ? {} : { FromPort, ToPort };
  const all = { IpProtocol, ...ports, CidrIpv4, CidrIpv6, Description };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
