import type { SessionInstance } from "#api/caller.ts";
import { decide } from "#policy/decide.ts";
import { parsePolicy, type Policy } from "#policy/policy-document.ts";
import { arnOf } from "../../iam/holder.ts";
import type { IamRecords, RoleRecord } from "../../iam/records.ts";
import { newSession, sessionToken } from "../../iam/session-token.ts";
import { trustInForce } from "../../iam/trust.ts";
import type { Scope } from "../records.ts";
import { instanceArn, type InstanceRecord } from "./instance.ts";

/**
 * What IMDS tells of instances' roles, that of their profile and the one that every instance has to say which it is. Credentials are
 * made as they are told, and kept in memory alone.
 */
export interface InstanceRoles {
  /** Leaves below `iam/` and `identity-credentials/` by their whole paths. The same until something of it changes, or is renewed. */
  metadata(instance: InstanceRecord, privateAddress: string, scope: Scope, iam: IamRecords): RoleMetadata;
  /** When to look whether something that was told of these instances is to be told anew; undefined: nothing is. */
  renewInMs(instanceIds: readonly string[]): number | undefined;
}

interface RoleMetadata {
  readonly tree: Readonly<Record<string, string>>;
  /** In their place for who asks by version 2; absent: the same. */
  readonly treeByToken?: Readonly<Record<string, string>>;
}

export interface InstanceRolesOptions {
  /** Of session tokens. */
  readonly sealingKey: Buffer;
  readonly random: (below: number) => number;
  readonly now: () => Date;
}

/** For six hours, and renewed each hour: instances have five to go on with when nothing renews them. */
export function instanceRoles(options: InstanceRolesOptions): InstanceRoles {
  const nowMs = () => options.now().getTime();
  const told = new Map<string, Told>();
  return {
    metadata(instance, privateAddress, scope, iam) {
      const about = instance.profile && factsOf(instance, privateAddress, scope, iam, options.now());
      const facts = JSON.stringify(about ?? null);
      const before = told.get(instance.id);
      if (before?.facts === facts && before.renewAtMs > nowMs()) return before.is;
      // The oldest come first.
      for (const [id, { renewAtMs }] of told)
        if (renewAtMs < nowMs() - lifetimeSeconds * 1000) told.delete(id);
        else break;
      const role = about ? roleMetadata(about, scope, options) : nothing;
      const is = { ...role, tree: { ...identityTree(instance.id, scope, options), ...role.tree } };
      told.delete(instance.id);
      told.set(instance.id, { facts, is, renewAtMs: nowMs() + renewAfterMs });
      return is;
    },
    renewInMs(instanceIds) {
      const due = instanceIds.flatMap((id) => told.get(id)?.renewAtMs ?? []);
      return due.length === 0 ? undefined : Math.max(Math.min(Math.min(...due) - nowMs(), mostWaitMs), 1000);
    },
  };
}

const lifetimeSeconds = 6 * 3600;
const renewAfterMs = 3600 * 1000;
/** Timers stand still while the host sleeps, and credentials end all the same. */
const mostWaitMs = 5 * 60 * 1000;
const nothing: RoleMetadata = { tree: {} };

interface Told {
  /** What it was made of. */
  readonly facts: string;
  readonly is: RoleMetadata;
  readonly renewAtMs: number;
}

interface Facts {
  readonly instanceId: string;
  readonly association: string;
  readonly arn: string;
  /** Absent: the profile is gone. */
  readonly profileId?: string | undefined;
  readonly role?: { readonly id: string; readonly name: string; readonly trustsEc2: boolean } | undefined;
  /** Whether version 1 of IMDS answers. */
  readonly byVersion1: boolean;
  readonly of: Omit<SessionInstance, "roleDelivery">;
}

function factsOf(
  instance: InstanceRecord,
  privateAddress: string,
  scope: Scope,
  iam: IamRecords,
  now: Date,
): Facts {
  const { id, profile, vpcId, metadataOptions } = instance;
  const kept = iam.get("iam-instance-profile", profile?.profileId ?? "");
  const role = iam.get("iam-role", kept?.role ?? "");
  return {
    instanceId: id,
    association: profile?.id ?? "",
    arn: profile?.arn ?? "",
    profileId: kept?.id,
    role: role && { id: role.id, name: role.name, trustsEc2: trustsEc2(role, iam, now) },
    byVersion1: metadataOptions.tokens === "optional",
    of: { arn: instanceArn(id, scope), vpcId, privateAddress },
  };
}

function trustsEc2(role: RoleRecord, iam: IamRecords, now: Date): boolean {
  const context = new Map([
    ["aws:currenttime", [now.toISOString()]],
    ["aws:epochtime", [String(Math.trunc(now.getTime() / 1000))]],
    ["aws:principalisawsservice", ["true"]],
    ["aws:principalservicename", ["ec2.amazonaws.com"]],
  ]);
  const request = {
    action: "sts:AssumeRole",
    resource: arnOf("iam-role", role, iam),
    service: "ec2.amazonaws.com",
    context,
  };
  const sets = { identity: [], resource: trustOf(role, iam), resourceDecides: true };
  return decide(request, sets).decision === "allowed";
}

/** Read once for as long as it says the same: a network's metadata is put together anew with every change of one of its interfaces. */
function trustOf(role: RoleRecord, iam: IamRecords): Policy {
  // Only what it says of services is asked.
  const document = trustInForce(role, { of: () => iam });
  const known = trusts.get(role);
  if (known?.document === document) return known.policy;
  const policy = parsePolicy(document, "trust");
  trusts.set(role, { document, policy });
  return policy;
}

const trusts = new WeakMap<RoleRecord, { readonly document: string; readonly policy: Policy }>();

/** As AWS's guide shows them, "Retrieve security credentials from instance metadata" and "Troubleshoot IAM and Amazon EC2". */
function roleMetadata(
  { instanceId, arn, profileId, role, byVersion1, of }: Facts,
  scope: Scope,
  options: InstanceRolesOptions,
): RoleMetadata {
  const LastUpdated = toSeconds(options.now());
  const failed = (Code: string, Message: string) => written({ Code, Message, LastUpdated });
  if (profileId === undefined)
    return {
      tree: { "iam/info": failed("InstanceProfileNotFound", `The instance profile ${arn} is gone.`) },
    };
  const info = written({
    Code: "Success",
    LastUpdated,
    InstanceProfileArn: arn,
    InstanceProfileId: profileId,
  });
  if (!role) return { tree: { "iam/info": info } };
  const path = `iam/security-credentials/${role.name}`;
  if (!role.trustsEc2) {
    const why = `EC2 cannot assume the role ${role.name}: its trust policy does not allow ec2.amazonaws.com to.`;
    const refusal = failed("AssumeRoleUnauthorizedAccess", why);
    return { tree: { "iam/info": refusal, [path]: refusal } };
  }
  const credentials = (roleDelivery: SessionInstance["roleDelivery"]) => {
    const about = {
      kind: "role",
      principalId: role.id,
      name: instanceId,
      instance: { ...of, roleDelivery },
    } as const;
    return credentialsOf(about, scope, options);
  };
  const byToken = credentials("2.0");
  if (!byVersion1) return { tree: { "iam/info": info, [path]: byToken } };
  return { tree: { "iam/info": info, [path]: credentials("1.0") }, treeByToken: { [path]: byToken } };
}

/** AWS, "Instance identity roles for Amazon EC2 instances". No policy asks how these were handed out: they are the same by both versions. */
const identityTree = (instanceId: string, scope: Scope, options: InstanceRolesOptions) => ({
  "identity-credentials/ec2/info": written({
    Code: "Success",
    LastUpdated: toSeconds(options.now()),
    AccountId: scope.accountId,
  }),
  "identity-credentials/ec2/security-credentials/ec2-instance": credentialsOf(
    { kind: "instance", name: instanceId },
    scope,
    options,
  ),
});

function credentialsOf(
  about: Parameters<typeof newSession>[0],
  { accountId }: Scope,
  { sealingKey, random, now }: InstanceRolesOptions,
): string {
  const session = newSession(about, lifetimeSeconds, { accountId, random, now });
  return written({
    Code: "Success",
    LastUpdated: toSeconds(now()),
    Type: "AWS-HMAC",
    AccessKeyId: session.accessKeyId,
    SecretAccessKey: session.secretAccessKey,
    Token: sessionToken(session, sealingKey),
    Expiration: toSeconds(new Date(session.expiresAt * 1000)),
  });
}

const toSeconds = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;

const written = (members: Readonly<Record<string, string>>): string =>
  `{\n${Object.entries(members)
    .map(([name, value]) => `  "${name}" : ${JSON.stringify(value)}`)
    .join(",\n")}\n}`;
