import { createHash } from "node:crypto";
import { apiAddress } from "#guest/aws-names.ts";
import type { Ec2Context } from "../context.ts";
import type { Kinds } from "../records.ts";
import { versionId, type PrefixListRecord, type PrefixListVersionRecord } from "./prefix-list.ts";

/** AWS's services that a VPC may have gateway endpoints to. */
export const gatewayServices = ["s3", "dynamodb"] as const;

/** "com.amazonaws.eu-west-1.s3": the endpoint service, and the prefix list of its addresses. */
export const serviceName = (service: string, region: string): string => `com.amazonaws.${region}.${service}`;

/** The same wherever and whenever it is made. */
export const awsListId = (name: string): PrefixListRecord["id"] =>
  `pl-${createHash("sha256").update(name).digest("hex").slice(0, 8)}`;

type AwsList = readonly [
  kind: "prefix-list" | "prefix-list-version",
  record: Kinds["prefix-list"] | Kinds["prefix-list-version"],
];

/** The lists that AWS keeps in a region. Inside a VPC its services' names lead to the region's API, so that address is all of theirs. */
export function awsPrefixLists({ region, now }: Pick<Ec2Context, "region" | "now">): AwsList[] {
  const common = { tags: {}, createdAt: now().toISOString() };
  return gatewayServices.flatMap((service): AwsList[] => {
    const name = serviceName(service, region);
    const entries = [{ cidr: `${apiAddress}/32` }];
    const list: PrefixListRecord = {
      id: awsListId(name),
      name,
      family: "IPv4",
      maxEntries: 1,
      version: 1,
      state: "create-complete",
      owner: "AWS",
      ...common,
    };
    const version: PrefixListVersionRecord = { id: versionId(list.id, 1), entries, ...common };
    return [
      ["prefix-list", list],
      ["prefix-list-version", version],
    ];
  });
}
