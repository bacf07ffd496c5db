import type { ManagedPrefixList } from "@aws-sdk/client-ec2";
import type { FilterTable } from "../filters.ts";
import type { Ec2Records, ResourceRecord, Scope } from "../records.ts";
import { describeTags } from "../tag/tag.ts";

/** A managed prefix list: the account's, or AWS's own. Rules that name it mean the entries of its present version. */
export interface PrefixListRecord extends ResourceRecord {
  readonly id: `pl-${string}`;
  readonly name: string;
  readonly family: "IPv4" | "IPv6";
  /** What it counts for in whatever names it, however many entries it has. */
  readonly maxEntries: number;
  readonly version: number;
  readonly state: "create-complete" | "modify-complete" | "modify-failed" | "restore-complete";
  readonly stateMessage?: string;
  /** AWS, whose list nobody else changes; absent: the account. */
  readonly owner?: "AWS";
  /** What CreateManagedPrefixList was called with; absent: none. */
  readonly clientToken?: string;
}

/** Its id is `PREFIX-LIST/VERSION`. */
export interface PrefixListVersionRecord extends ResourceRecord {
  readonly entries: readonly PrefixListEntry[];
}
export interface PrefixListEntry {
  readonly cidr: string;
  readonly description?: string;
}

/** Of earlier versions so many are kept (AWS: 1,000), so that a list goes in one transaction. */
export const keptVersions = 50;
export const versionId = (listId: string, version: number) => `${listId}/${version}`;

/** Of its present version unless told otherwise; undefined: there is no such version. */
export const entriesOf = (
  { id, version }: PrefixListRecord,
  records: Ec2Records,
  wanted = version,
): readonly PrefixListEntry[] | undefined =>
  records.get("prefix-list-version", versionId(id, wanted))?.entries;

export const prefixListArn = (id: string, { region, accountId }: Scope) =>
  `arn:aws:ec2:${region}:${accountId}:prefix-list/${id}`;

/** AWS tells neither versions nor sizes of its own. */
export const describePrefixList = (list: PrefixListRecord, scope: Scope): ManagedPrefixList => ({
  PrefixListId: list.id,
  PrefixListArn: prefixListArn(list.id, { ...scope, accountId: list.owner ? "aws" : scope.accountId }),
  PrefixListName: list.name,
  AddressFamily: list.family,
  ...(list.owner === undefined && { MaxEntries: list.maxEntries, Version: list.version }),
  State: list.state,
  StateMessage: list.stateMessage,
  OwnerId: list.owner ?? scope.accountId,
  Tags: describeTags(list.tags),
});

export const prefixListFilters = ({ accountId }: Scope): FilterTable<PrefixListRecord> => ({
  "owner-id": ({ owner }) => owner ?? accountId,
  "prefix-list-id": (it) => it.id,
  "prefix-list-name": (it) => it.name,
});
