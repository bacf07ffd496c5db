import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import {
  duplicateKeyPair,
  invalidParameter,
  keyPairIdNotFound,
  keyPairNotFound,
  missingParameter,
} from "../errors.ts";
import { filtered } from "../filters.ts";
import { onlyTags, tagsFor, type Tags } from "../tag/tag.ts";
import {
  describeKeyPair,
  importedKey,
  keyNameClaim,
  keyPairFilters,
  newKey,
  type KeyPairRecord,
} from "./key-pair.ts";

export const keyPairOperations = {
  CreateKeyPair: {
    async resolve(input, context) {
      const type = input.KeyType ?? "rsa";
      onlyTags(["key-pair"], input.TagSpecifications);
      checkName(input.KeyName, context);
      const { material, publicKey, fingerprint } = await newKey(
        type,
        input.KeyFormat ?? "pem",
        input.KeyName,
      );
      const key = { name: input.KeyName, type, publicKey, fingerprint };
      return { ...addKey(key, tagsFor("key-pair", input.TagSpecifications), context), material };
    },
    answer: ({ record, material }: { record: KeyPairRecord; material: string }) => {
      const { KeyPairId, KeyName, KeyFingerprint, Tags } = describeKeyPair(record);
      return { KeyPairId, KeyName, KeyFingerprint, Tags, KeyMaterial: material };
    },
  },

  ImportKeyPair: {
    resolve(input, context) {
      onlyTags(["key-pair"], input.TagSpecifications);
      checkName(input.KeyName, context);
      const key = { name: input.KeyName, ...importedKey(input.PublicKeyMaterial, input.KeyName) };
      return addKey(key, tagsFor("key-pair", input.TagSpecifications), context);
    },
    answer: ({ record }: { record: KeyPairRecord }) => {
      const { KeyPairId, KeyName, KeyFingerprint, Tags } = describeKeyPair(record);
      return { KeyPairId, KeyName, KeyFingerprint, Tags };
    },
  },

  /** Deleting a name that is not there succeeds, as on AWS. */
  DeleteKeyPair: {
    resolve({ KeyName: name, KeyPairId: id }, { records, region, accountId }) {
      if (name === undefined && id === undefined) throw missingParameter("KeyName or KeyPairId");
      const record = records.get("key-pair", id ?? records.claimed(keyNameClaim(name ?? "")) ?? "");
      return {
        touches: [{ arn: `arn:aws:ec2:${region}:${accountId}:key-pair/${record?.name ?? name ?? id}` }],
        ...(record && {
          transaction: {
            expect: [{ exists: records.key("key-pair", record.id) }],
            delete: [records.key("key-pair", record.id), records.key("claim", keyNameClaim(record.name))],
          },
        }),
        id: record?.id,
      };
    },
    answer: ({ id }: { id?: string | undefined }) => ({ Return: true, KeyPairId: id }),
  },

  DescribeKeyPairs: {
    resolve(input, { records }) {
      const all = records.all("key-pair");
      for (const name of input.KeyNames ?? [])
        if (!all.some((key) => key.name === name)) throw keyPairNotFound(name);
      for (const id of input.KeyPairIds ?? [])
        if (!all.some((key) => key.id === id)) throw keyPairIdNotFound(id);
      const named = all.filter(
        (key) =>
          (!input.KeyNames?.length || input.KeyNames.includes(key.name)) &&
          (!input.KeyPairIds?.length || input.KeyPairIds.includes(key.id)),
      );
      return {
        touches: [],
        items: filtered(named, input.Filters, keyPairFilters),
        withPublicKey: input.IncludePublicKey ?? false,
      };
    },
    answer: ({ items, withPublicKey }: { items: readonly KeyPairRecord[]; withPublicKey: boolean }) => ({
      KeyPairs: items.map((key) => describeKeyPair(key, withPublicKey)),
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function checkName(name: string, { records }: Ec2Context): void {
  if (!/^[\x20-\x7e]{1,255}$/.test(name) || name.trim() !== name)
    throw invalidParameter(`Value (${name}) for parameter KeyName is invalid.`);
  if (records.claimed(keyNameClaim(name)) !== undefined) throw duplicateKeyPair();
}

function addKey(
  key: Pick<KeyPairRecord, "name" | "type" | "publicKey" | "fingerprint">,
  tags: Tags,
  { records, newId, now, region, accountId }: Ec2Context,
) {
  const record: KeyPairRecord = { id: newId("key"), ...key, tags, createdAt: now().toISOString() };
  const claim = records.key("claim", keyNameClaim(key.name));
  return {
    touches: [{ arn: `arn:aws:ec2:${region}:${accountId}:key-pair/${key.name}` }],
    transaction: {
      expect: [{ absent: claim }],
      put: [
        { key: claim, value: record.id },
        { key: records.key("key-pair", record.id), value: record },
      ],
    },
    record,
  };
}
