import type { TouchedResource } from "#api/operation.ts";
import { calledNow, documentInForce } from "../iam/trust.ts";
import type { KmsContext } from "./context.ts";
import { grantAllows, type GrantedUse } from "./grant.ts";
import type { NamedKey } from "./key-name.ts";
import { keyArn, usageOf } from "./key.ts";
import type { EncryptionContext, GrantRecord } from "./records.ts";

export interface KeyUse {
  /** "kms:ReEncryptFrom", where that is not the operation. */
  readonly action?: string | undefined;
  /** What grants may allow; absent: none does. */
  readonly granted?: GrantedUse | undefined;
  readonly encryptionContext?: EncryptionContext | undefined;
  /** A service that uses the key for the caller: "ec2". */
  readonly via?: string | undefined;
  /** The grant that is retired, which says who may. */
  readonly retired?: GrantRecord | undefined;
  /** What else policies may ask. */
  readonly keys?: TouchedResource["keys"];
}

/**
 * A key as policy sees it. Its own policy decides, with the grants that allow the caller this use as further statements of it; the
 * account's policies do where it says so. AWS, "AWS KMS condition keys", "Determining access to AWS KMS keys".
 */
export function touchedKey(
  { key, alias }: NamedKey,
  use: KeyUse,
  { caller, records, accounts, region }: Pick<KmsContext, "caller" | "records" | "accounts" | "region">,
): TouchedResource {
  const aliases = records.aliasesOf(key).map(({ name }) => name);
  const { encryptionContext = {}, granted, retired } = use;
  const callers = [caller.arn, caller.principalArn, `arn:aws:iam::${caller.accountId}:root`];
  const grants = granted ? records.grantsOf(key).filter((it) => grantAllows(it, granted)) : [];
  const statements = [
    ...grants.map((it) => principalNow(it.grantee, it.trusted, accounts)),
    ...(retired ? retirersOf(retired).map((it) => principalNow(it, retired.trusted, accounts)) : []),
  ]
    .filter((it) => callers.includes(it))
    .map((principal) => ({
      Effect: "Allow",
      Principal: { AWS: principal },
      Action: use.action ?? `kms:${retired ? "RetireGrant" : granted?.operation}`,
      Resource: "*",
    }));
  const document = documentInForce(key.policy, key.trusted, accounts);
  return {
    arn: keyArn(key),
    tags: key.tags,
    action: use.action,
    policy: { of: "resource", document: withStatements(document, statements) },
    keys: {
      "kms:CallerAccount": caller.accountId,
      "kms:KeySpec": key.spec,
      "kms:KeyUsage": usageOf(key),
      "kms:KeyOrigin": "AWS_KMS",
      "kms:MultiRegion": "false",
      ...(aliases.length > 0 && { "kms:ResourceAliases": aliases }),
      ...(alias !== undefined && { "kms:RequestAlias": alias }),
      ...contextKeys(encryptionContext),
      ...(use.via !== undefined && {
        "kms:ViaService": `${use.via}.${region}.amazonaws.com`,
        "aws:ViaAWSService": "true",
        "aws:CalledVia": [`${use.via}.amazonaws.com`],
        "aws:CalledViaFirst": `${use.via}.amazonaws.com`,
        "aws:CalledViaLast": `${use.via}.amazonaws.com`,
      }),
      ...use.keys,
    },
  };
}

/** The principal of a grant, as he is called now. */
export const principalNow = (
  arn: string,
  trusted: Readonly<Record<string, string>>,
  accounts: KmsContext["accounts"],
): string => {
  const id = trusted[arn];
  return id === undefined ? arn : calledNow(arn, id, accounts);
};

const retirersOf = ({ grantee, retiring, operations }: GrantRecord): string[] => [
  ...(retiring === undefined ? [] : [retiring]),
  ...(operations.includes("RetireGrant") ? [grantee] : []),
];

function contextKeys(context: EncryptionContext): Record<string, string | string[]> {
  const pairs = Object.entries(context);
  if (pairs.length === 0) return {};
  return {
    "kms:EncryptionContextKeys": pairs.map(([key]) => key),
    ...Object.fromEntries(pairs.map(([key, value]) => [`kms:EncryptionContext:${key}`, value])),
  };
}

function withStatements(document: string, more: readonly object[]): string {
  if (more.length === 0) return document;
  const policy: { Statement: unknown } = JSON.parse(document);
  return JSON.stringify({ ...policy, Statement: [policy.Statement, more].flat() });
}
