import type { AttachedPermissionsBoundary, AttachedPolicy } from "@aws-sdk/client-iam";
import type { OperationPlan, TouchedResource } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import {
  alreadyExists,
  certificateNotFound,
  deleteConflict,
  groupNotFound,
  profileNotFound,
  protectedRole,
  roleNotFound,
  userNotFound,
  validationError,
} from "./errors.ts";
import { checkName, checkPath } from "./names.ts";
import type {
  GroupRecord,
  HolderKind,
  IamKinds,
  IamRecord,
  IamRecords,
  InstanceProfileRecord,
  NamedKind,
  PolicyHolder,
  RoleRecord,
  ServerCertificateRecord,
  Tags,
  UserRecord,
} from "./records.ts";

/** Each throws NoSuchEntity. */
export const findUser = (name: string, { records }: IamContext): UserRecord =>
  records.named("iam-user", name) ?? raise(userNotFound(name));
/** The caller, where no user is named. Throws ValidationError of one who is none. */
export const userOrCaller = (name: string | undefined, context: IamContext): UserRecord =>
  name === undefined
    ? (context.records.get("iam-user", context.caller.principalId ?? "") ??
      raise(validationError("Must specify userName when calling with non-User credentials")))
    : findUser(name, context);
export const findGroup = (name: string, { records }: IamContext): GroupRecord =>
  records.named("iam-group", name) ?? raise(groupNotFound(name));
export const findRole = (name: string, { records }: IamContext): RoleRecord =>
  records.named("iam-role", name) ?? raise(roleNotFound(name));
/** To change it: also throws UnmodifiableEntity, for a service-linked role. */
export function findOwnRole(name: string, context: IamContext): RoleRecord {
  const role = findRole(name, context);
  if (role.linkedTo !== undefined) throw protectedRole(role.name);
  return role;
}
export const findProfile = (name: string, { records }: IamContext): InstanceProfileRecord =>
  records.named("iam-instance-profile", name) ?? raise(profileNotFound(name));

export const findCertificate = (name: string, { records }: IamContext): ServerCertificateRecord =>
  records.named("iam-server-certificate", name) ?? raise(certificateNotFound(name));

/** The one key of the account's root, and since when there is the account. */
export function rootKeyOf({ accounts, accountId, records, rootKeyId, now }: IamContext) {
  const account = accounts.record(accountId);
  const createdAt = account?.createdAt ?? records.beganAt() ?? now().toISOString();
  return { id: account?.rootKey.id ?? rootKeyId, createdAt };
}

export const arnOf = (
  kind: NamedKind,
  { path, name }: Pick<IamRecord, "path" | "name">,
  { accountId }: { readonly accountId: string },
): string => `arn:aws:iam::${accountId}:${kind.slice("iam-".length)}${path}${name}`;

/** Undefined: there is none of this ARN, whose path belongs to it too. */
export function byArn<K extends NamedKind>(
  kind: K,
  arn: string,
  records: IamRecords,
): IamKinds[K] | undefined {
  const record = records.named(kind, nameIn(arn));
  return record && arnOf(kind, record, records) === arn ? record : undefined;
}

/** "111122223333" of "arn:aws:iam::111122223333:user/ada". */
export const accountIn = (arn: string): string => arn.split(":", 5)[4] ?? "";

export const nameIn = (arn: string): string => arn.slice(arn.lastIndexOf("/") + 1);

/** What an operation on one thing touches. `keys`: what policies may ask about this operation. */
export const touching = (
  kind: NamedKind,
  record: Pick<IamRecord, "path" | "name"> & {
    readonly tags?: Tags | undefined;
    readonly boundary?: string | undefined;
  },
  context: IamContext,
  keys?: Readonly<Record<string, string>>,
): TouchedResource[] => [
  {
    arn: arnOf(kind, record, context),
    ...(record.tags && { tags: record.tags }),
    keys: { ...(record.boundary !== undefined && { "iam:PermissionsBoundary": record.boundary }), ...keys },
  },
];

/** As it is touched while it is being made: it has no tags yet that policies could ask about. */
export const untagged = <Made extends IamRecord>(
  made: Made,
): Pick<IamRecord, "path" | "name"> & { boundary?: string | undefined } => ({ ...made, tags: undefined });

export const boundaryMember = ({
  boundary,
}: PolicyHolder): { PermissionsBoundary?: AttachedPermissionsBoundary } =>
  boundary === undefined
    ? {}
    : {
        PermissionsBoundary: {
          PermissionsBoundaryType: "PermissionsBoundaryPolicy",
          PermissionsBoundaryArn: boundary,
        },
      };

/** Throws EntityAlreadyExists. */
export function refuseTaken(kind: HolderKind, name: string, { records }: IamContext): void {
  const what = { "iam-user": "User", "iam-group": "Group", "iam-role": "Role" }[kind];
  if (records.named(kind, name)) throw alreadyExists(`${what} with name ${name} already exists.`);
}

/** A user or group under another name, or path. */
export function renamed<K extends "iam-user" | "iam-group">(
  kind: K,
  holder: IamKinds[K],
  { name = holder.name, path = holder.path }: { name?: string | undefined; path?: string | undefined },
  context: IamContext,
): OperationPlan {
  checkName(kind === "iam-user" ? "newUserName" : "newGroupName", name);
  if (name.toLowerCase() !== holder.name.toLowerCase()) refuseTaken(kind, name, context);
  const changed = { ...holder, name, path: checkPath(path) };
  return {
    touches: [holder, changed].flatMap((it) => touching(kind, it, context)),
    transaction: context.records.rename(kind, changed, holder.name),
  };
}

/** Throws DeleteConflict for one that policies are attached to, or written into. */
export function refuseHolding({ attached, inline }: PolicyHolder): void {
  if (attached.length > 0) throw deleteConflict("Cannot delete entity, must detach all policies first.");
  if (Object.keys(inline).length > 0)
    throw deleteConflict("Cannot delete entity, must delete policies first.");
}

/** By name, as answers list them. */
export const attachedPolicies = ({ attached }: PolicyHolder): Described<AttachedPolicy>[] =>
  attached
    .map((arn) => ({ PolicyName: nameIn(arn), PolicyArn: arn }))
    .toSorted((a, b) => (a.PolicyName < b.PolicyName ? -1 : 1));

/** As Croft gives it: nothing in it is left out. */
export type Described<Shape> = { [K in keyof Shape]-?: Exclude<Shape[K], undefined> };

export function raise(error: Error): never {
  throw error;
}
