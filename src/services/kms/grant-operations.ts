import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type * as kms from "@aws-sdk/client-kms";
import type { GrantListEntry } from "@aws-sdk/client-kms";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { idOfPrincipal } from "../iam/trust.ts";
import type { KmsContext } from "./context.ts";
import { invalidArn, limitExceeded, notFound, unsupported, validation } from "./errors.ts";
import { checkGrantTokens, grantToken, openGrantToken } from "./grant-token.ts";
import { findKey, type NamedKey } from "./key-name.ts";
import { keyArn, refusesUse, usageOf } from "./key.ts";
import { page, type Page } from "./page.ts";
import type { GrantRecord, KeyRecord, KeyScope } from "./records.ts";
import { principalNow, touchedKey } from "./touched-key.ts";

export const grantOperations = {
  /** The same again by the same name is the same grant. */
  CreateGrant: {
    resolve(input, context) {
      const { records, now } = context;
      checkGrantTokens(input.GrantTokens, context);
      const named = findKey(input.KeyId, context);
      const { key } = named;
      const made = grantOf(input, key, context);
      const known = records.grantsOf(key).filter(({ name }) => name !== undefined && name === made.name);
      const same = known.find((it) => isDeepStrictEqual(asked(it), asked(made)));
      const grant = same ?? { ...made, id: randomBytes(32).toString("hex"), createdAt: now().toISOString() };
      const use = { granted: { operation: "CreateGrant", grant: made }, keys: grantKeys(input) };
      return {
        touches: [touchedKey(named, use, context)],
        refusal: refusesUse(key) ?? refusesGrant(key, made, context),
        ...(!same && {
          transaction: {
            expect: [records.stays(key)],
            put: [{ key: records.at("kms-grant", key, `${key.id}/${grant.id}`), value: grant }],
          },
        }),
        key,
        grant,
      };
    },
    answer: ({ key, grant }: GrantPlan, context) => ({
      GrantId: grant.id,
      GrantToken: grantToken(
        { accountId: key.accountId, region: key.region, keyId: key.id, grantId: grant.id },
        context,
      ),
    }),
  },

  ListGrants: {
    resolve(input, context) {
      const { records, accounts } = context;
      const named = findKey(input.KeyId, context);
      const grants = records
        .grantsOf(named.key)
        .filter(
          (it) =>
            (input.GrantId === undefined || it.id === input.GrantId) &&
            input.GranteeServicePrincipal === undefined &&
            (input.GranteePrincipal === undefined ||
              principalNow(it.grantee, it.trusted, accounts) === input.GranteePrincipal),
        );
      return {
        touches: [touchedKey(named, {}, context)],
        key: named.key,
        page: page(grants, ({ id }) => id, input, 50),
      };
    },
    answer: ({ key, page: { items, truncation } }: { key: KeyRecord; page: Page<GrantRecord> }, context) => ({
      Grants: items.map((it) => describeGrant(it, key, context)),
      ...truncation,
    }),
  },

  /** Of every account's keys that the region has: those that the principal may retire. */
  ListRetirableGrants: {
    resolve(input, context) {
      const { records, accounts, region } = context;
      const of = input.RetiringPrincipal;
      if (input.RetiringServicePrincipal !== undefined) throw noServicePrincipals();
      if (of === undefined) throw validation("Please specify a retiring principal.");
      const grants = records
        .everyGrant(region)
        .filter(
          ({ grant: { retiring, trusted } }) =>
            retiring !== undefined && principalNow(retiring, trusted, accounts) === of,
        );
      return { touches: [], page: page(grants, ({ grant }) => grant.id, input, 50) };
    },
    answer: (
      { page: { items, truncation } }: { page: Page<{ key: KeyScope; grant: GrantRecord }> },
      context,
    ) => ({
      Grants: items.map(({ key, grant }) => describeGrant(grant, { ...key, id: grant.keyId }, context)),
      ...truncation,
    }),
  },

  RevokeGrant: {
    resolve({ KeyId: id, GrantId: grantId }, context) {
      const named = findKey(id, context);
      const grant = findGrant(named.key, grantId, context);
      return removing(named, grant, {}, context);
    },
    answer: () => ({}),
  },

  /** Whom the grant names for it may, and its grantee where retiring is one of its operations; others by the key's policy. */
  RetireGrant: {
    resolve({ GrantToken: token, KeyId: id, GrantId: grantId }, context) {
      if ((token === undefined) === (grantId === undefined) || (id === undefined) !== (grantId === undefined))
        throw validation("Please specify either a grant token, or a key id and a grant id.");
      const of =
        token === undefined ? { keyId: id ?? "", grantId: grantId ?? "" } : keyOfToken(token, context);
      const named = findKey(of.keyId, context);
      const grant = findGrant(named.key, of.grantId, context);
      return removing(named, grant, { retired: grant }, context);
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof kms, KmsContext>;

interface GrantPlan extends OperationPlan {
  readonly key: KeyRecord;
  readonly grant: GrantRecord;
}

function removing(
  named: NamedKey,
  grant: GrantRecord,
  use: Parameters<typeof touchedKey>[1],
  context: KmsContext,
): OperationPlan {
  const { records } = context;
  const at = records.at("kms-grant", named.key, `${grant.keyId}/${grant.id}`);
  return {
    touches: [touchedKey(named, use, context)],
    transaction: { expect: [{ exists: at }], delete: [at] },
  };
}

function keyOfToken(token: string, context: KmsContext) {
  const { accountId, region, keyId, grantId } = openGrantToken(token, context);
  return { keyId: keyArn({ accountId, region, id: keyId }), grantId };
}

function findGrant(key: KeyRecord, grantId: string, { records }: KmsContext): GrantRecord {
  const grant = records.get("kms-grant", key, `${key.id}/${grantId}`);
  if (!grant) throw notFound(`Grant ID ${grantId} not found`);
  return grant;
}

/** What a grant gives, without its id and time. */
const asked = ({
  grantee,
  retiring,
  operations,
  subset,
  equals,
  issuer,
}: Omit<GrantRecord, "id" | "createdAt">) => ({
  grantee,
  retiring,
  operations,
  subset,
  equals,
  issuer,
});

function grantOf(
  input: kms.CreateGrantCommandInput,
  key: KeyRecord,
  { accounts, accountId }: KmsContext,
): Omit<GrantRecord, "id" | "createdAt"> {
  if (input.GranteeServicePrincipal !== undefined || input.RetiringServicePrincipal !== undefined)
    throw noServicePrincipals();
  if (input.Constraints?.SourceArn !== undefined)
    throw unsupported("Croft does not serve the grant constraint SourceArn yet.");
  if (input.GranteePrincipal === undefined) throw validation("Please specify a grantee principal.");
  if (input.Name !== undefined && !/^[a-zA-Z0-9:/_-]+$/.test(input.Name))
    throw validation(
      `1 validation error detected: Value '${input.Name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$`,
    );
  const principals = [input.GranteePrincipal, input.RetiringPrincipal].filter((it) => it !== undefined);
  const bad = () => invalidArn("ARN does not refer to a valid principal");
  const ids = principals.flatMap((arn) => {
    if (!arn.startsWith("arn:")) throw bad();
    const id = idOfPrincipal(arn, accounts, bad);
    return id === undefined ? [] : [[arn, id] as const];
  });
  const { EncryptionContextSubset: subset, EncryptionContextEquals: equals } = input.Constraints ?? {};
  return {
    keyId: key.id,
    ...(input.Name !== undefined && { name: input.Name }),
    grantee: input.GranteePrincipal,
    ...(input.RetiringPrincipal !== undefined && { retiring: input.RetiringPrincipal }),
    trusted: Object.fromEntries(ids),
    issuer: accountId,
    operations: [...new Set(input.Operations)],
    ...(subset && { subset }),
    ...(equals && { equals }),
  };
}

const operationsOf = {
  ENCRYPT_DECRYPT: [
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
  ],
  GENERATE_VERIFY_MAC: ["GenerateMac", "VerifyMac"],
} as const;

function refusesGrant(
  key: KeyRecord,
  { operations, subset, equals }: Omit<GrantRecord, "id" | "createdAt">,
  { records }: KmsContext,
) {
  const possible: string[] = [...operationsOf[usageOf(key)], "CreateGrant", "RetireGrant", "DescribeKey"];
  if (!operations.every((it) => possible.includes(it)))
    return validation(
      `Grant operations of a key with the key spec ${key.spec} are among ${possible.join(", ")}.`,
    );
  if ((subset || equals) && key.spec !== "SYMMETRIC_DEFAULT")
    return validation("Encryption context constraints are of symmetric encryption keys alone.");
  if (records.grantsOf(key).length >= mostGrants)
    return limitExceeded(`A key has at most ${mostGrants} grants.`);
  return undefined;
}

function grantKeys({
  Operations,
  GranteePrincipal,
  RetiringPrincipal,
  Constraints,
}: kms.CreateGrantCommandInput) {
  const constraint = Object.keys(Constraints ?? {})[0];
  return {
    "kms:GrantOperations": Operations ?? [],
    "kms:GrantIsForAWSResource": "false",
    ...(GranteePrincipal !== undefined && { "kms:GranteePrincipal": GranteePrincipal }),
    ...(RetiringPrincipal !== undefined && { "kms:RetiringPrincipal": RetiringPrincipal }),
    ...(constraint !== undefined && { "kms:GrantConstraintType": constraint }),
  };
}

const describeGrant = (
  grant: GrantRecord,
  key: Pick<KeyRecord, "accountId" | "region" | "id">,
  { accounts }: KmsContext,
): GrantListEntry => ({
  KeyId: keyArn(key),
  GrantId: grant.id,
  Name: grant.name ?? "",
  CreationDate: new Date(grant.createdAt),
  GranteePrincipal: principalNow(grant.grantee, grant.trusted, accounts),
  ...(grant.retiring !== undefined && {
    RetiringPrincipal: principalNow(grant.retiring, grant.trusted, accounts),
  }),
  IssuingAccount: `arn:aws:iam::${grant.issuer}:root`,
  Operations: [...grant.operations] as kms.GrantOperation[],
  ...((grant.subset || grant.equals) && {
    Constraints: {
      ...(grant.subset && { EncryptionContextSubset: { ...grant.subset } }),
      ...(grant.equals && { EncryptionContextEquals: { ...grant.equals } }),
    },
  }),
});

const noServicePrincipals = () => unsupported("Croft does not serve service principals in grants yet.");

/** AWS, "AWS KMS quotas". */
const mostGrants = 50_000;
