import type { Feed } from "#store/feed.ts";
import type { Entry } from "#store/store.ts";
import type { InstanceProfileRecord } from "../iam/records.ts";
import type { InstanceRecord } from "./instance/instance.ts";
import { ec2Indexes, Ec2Records, parseKey, type Ec2Indexes, type Scope } from "./records.ts";

/** The records of every account and region in one store. */
export interface RegionalRecords {
  in(scope: Scope): Ec2Records;
  /** A record of which the id alone is known, as drivers know it: its key, and the records beside it. */
  find(kind: SearchedKind, id: string): { readonly key: string; readonly records: Ec2Records } | undefined;
  /** The keys of all records with the id: each account has one of an image that Croft provides. */
  keysOf(kind: SearchedKind, id: string): string[];
  /** Of every account and region. */
  instances(): Entry<InstanceRecord>[];
  /** The keys of the instances, of every region, that have the instance profile with this id, or one that holds the role. */
  instancesWith(profileOrRoleId: string): string[];
}

type SearchedKind = keyof Ec2Indexes["byId"];

/** Made once per feed. */
export function regionalRecords(feed: Feed): RegionalRecords {
  const indexes = ec2Indexes(feed);
  const instancesOfProfile = feed.index<InstanceRecord>("instance", ({ profile }) =>
    profile ? [profile.profileId] : [],
  );
  const profilesOfRole = feed.index<InstanceProfileRecord>("iam-instance-profile", ({ role }) =>
    role === undefined ? [] : [role],
  );
  const opened = new Map<string, Ec2Records>();

  function recordsIn(scope: Scope): Ec2Records {
    const name = `${scope.accountId}/${scope.region}`;
    const records = opened.get(name) ?? new Ec2Records(feed, scope, indexes);
    opened.set(name, records);
    return records;
  }
  return {
    in: recordsIn,
    find(kind, id) {
      const key = indexes.byId[kind](id)[0]?.key;
      return key === undefined ? undefined : { key, records: recordsIn(parseKey(key).scope) };
    },
    keysOf: (kind, id) => indexes.byId[kind](id).map(({ key }) => key),
    instances: () => feed.list("instance/"),
    instancesWith(id) {
      const profiles = [id, ...profilesOfRole(id).map(({ value }) => value.id)];
      return profiles.flatMap((it) => instancesOfProfile(it)).map(({ key }) => key);
    },
  };
}
