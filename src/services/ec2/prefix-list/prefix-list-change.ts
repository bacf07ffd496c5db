import type { AddPrefixListEntry, RemovePrefixListEntry } from "@aws-sdk/client-ec2";
import { transactionLimits, type Expectation, type Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import {
  invalidParameter,
  malformedCidr,
  missingParameter,
  prefixListEntryExists,
  prefixListEntryNotFound,
  prefixListFull,
  prefixListVersionMismatch,
} from "../errors.ts";
import { canonicalCidr } from "../ipv4.ts";
import { canonicalIpv6Cidr } from "../ipv6.ts";
import { quotas } from "../quotas.ts";
import { routeCount } from "../route-table/route-table.ts";
import { weightOf } from "../security-group/security-group-rule.ts";
import {
  keptVersions,
  versionId,
  type PrefixListEntry,
  type PrefixListRecord,
  type PrefixListVersionRecord,
} from "./prefix-list.ts";

const most = { entriesOfList: 1000, changesOfRequest: 100, nameLength: 255 } as const;

export function checkedListName(name: string): string {
  if (name === "" || name.length > most.nameLength || name.startsWith("com.amazonaws"))
    throw invalidParameter(
      `Value (${name}) for parameter prefixListName is invalid. Up to 255 characters are allowed, and 'com.amazonaws' does not begin a name.`,
    );
  return name;
}

export function checkedMaxEntries(count: number): number {
  if (!Number.isInteger(count) || count < 1 || count > most.entriesOfList)
    throw invalidParameter(`Value (${count}) for parameter maxEntries is invalid. Expecting 1 to 1000.`);
  return count;
}

/** `entries` without some and with others, checked: none is both, so a description changes in two requests. */
export function changedEntries(
  entries: readonly PrefixListEntry[],
  { family, maxEntries }: Pick<PrefixListRecord, "family" | "maxEntries">,
  added: readonly AddPrefixListEntry[],
  removed: readonly RemovePrefixListEntry[],
): PrefixListEntry[] {
  if (added.length > most.changesOfRequest || removed.length > most.changesOfRequest)
    throw invalidParameter("The request cannot contain more than 100 entry additions or removals.");
  const bare = new Set(removed.map(({ Cidr }) => Cidr && checkedCidr(Cidr, family)));
  const both = added.find(({ Cidr }) => Cidr && bare.has(checkedCidr(Cidr, family)));
  if (both)
    throw invalidParameter(
      `Request cannot contain Cidr ${both.Cidr} in both AddPrefixListEntries and RemovePrefixListEntries`,
    );
  const left = new Map(entries.map((it) => [it.cidr, it]));
  for (const { Cidr: text } of removed)
    if (!left.delete(checkedCidr(text, family))) throw prefixListEntryNotFound(text ?? "");
  for (const { Cidr: text, Description: description } of added) {
    const cidr = checkedCidr(text, family);
    if (left.has(cidr)) throw prefixListEntryExists(cidr);
    if (description !== undefined && description.length > 255)
      throw invalidParameter("The description of an entry can have up to 255 characters.");
    left.set(cidr, { cidr, ...(description !== undefined && { description }) });
  }
  if (left.size > maxEntries) throw prefixListFull();
  // In the order of their text, as pages need them.
  return [...left.values()].toSorted((a, b) => (a.cidr < b.cidr ? -1 : 1));
}

function checkedCidr(text: string | undefined, family: PrefixListRecord["family"]): string {
  if (text === undefined) throw missingParameter("cidr");
  const cidr = family === "IPv4" ? canonicalCidr(text) : canonicalIpv6Cidr(text);
  if (cidr === undefined) throw malformedCidr(text);
  return cidr;
}

export function checkVersion({ version }: PrefixListRecord, current: number | undefined): void {
  if (current === undefined) throw missingParameter("currentVersion");
  if (current !== version) throw prefixListVersionMismatch();
}

/** One more version of a list, which the list then has; the oldest goes when there are too many. */
export function nextVersion(
  list: PrefixListRecord,
  entries: readonly PrefixListEntry[],
  { records, now }: Ec2Context,
): Transaction & Required<Pick<Transaction, "put">> {
  const { expect, put } = records.rewrite("prefix-list", list);
  const id = versionId(list.id, list.version);
  const value: PrefixListVersionRecord = { id, entries, tags: {}, createdAt: now().toISOString() };
  return {
    expect,
    put: [...put, { key: records.key("prefix-list-version", id), value }],
    delete:
      list.version > keptVersions
        ? [records.key("prefix-list-version", versionId(list.id, list.version - keptVersions))]
        : [],
  };
}

/** The groups and route tables that would have too many rules or routes if the list counted for `maxEntries`. */
export function tooSmallFor(
  list: PrefixListRecord,
  maxEntries: number,
  { records }: Pick<Ec2Context, "records">,
): string[] {
  const larger = { ...list, maxEntries };
  const listOf = (id: string) => (id === list.id ? larger : records.get("prefix-list", id));
  return records.dependentsOf(list.id).filter((id) => {
    const routes = records.get("route-table", id)?.routes ?? [];
    if (routeCount(routes, listOf) > quotas.routesPerTable.value) return true;
    const rules = records.get("security-group", id)?.rules ?? [];
    return [true, false].some(
      (egress) => weightOf(rules, egress, list.family, listOf) > quotas.rulesPerSecurityGroup.value,
    );
  });
}

/** What names the list is the same, with the same rules and routes: of as many as a transaction has room for. */
export function sameUsers({ id }: PrefixListRecord, { records }: Pick<Ec2Context, "records">): Expectation[] {
  const users = records.dependentsOf(id);
  return [
    records.fewerOf(id, "", users.length + 1),
    ...records.unchanged("security-group", users),
    ...records.unchanged("route-table", users),
  ].slice(0, transactionLimits.entries - 1);
}
