import type * as kms from "@aws-sdk/client-kms";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { KmsContext } from "./context.ts";
import { limitExceeded, unsupported } from "./errors.ts";
import { newMaterial } from "./key-material.ts";
import { findOwnKeyById } from "./key-name.ts";
import { keyArn, refusesUse } from "./key.ts";
import { page, type Page } from "./page.ts";
import type { KeyMaterial, KeyRecord } from "./records.ts";
import { touchedKey } from "./touched-key.ts";

/** New material for symmetric keys; what older material encrypted is decrypted by it still. `key-keeper.ts` rotates those that are due. */
export const rotationOperations = {
  EnableKeyRotation: {
    resolve({ KeyId: id, RotationPeriodInDays: days }, context) {
      const key = findOwnKeyById(id, context);
      const periodInDays = days ?? key.rotation?.periodInDays ?? yearInDays;
      const keys = { "kms:RotationPeriodInDays": String(periodInDays) };
      const rotation = { periodInDays, nextAt: nextRotation(context.now(), periodInDays) };
      return rotating(key, { ...key, rotation }, context, keys);
    },
    answer: () => ({}),
  },

  DisableKeyRotation: {
    resolve({ KeyId: id }, context) {
      const key = findOwnKeyById(id, context);
      const { rotation: _, ...rest } = key;
      return rotating(key, rest, context);
    },
    answer: () => ({}),
  },

  GetKeyRotationStatus: {
    resolve({ KeyId: id }, context) {
      const key = findOwnKeyById(id, context);
      return { touches: [touchedKey({ key }, {}, context)], refusal: refusesRotation(key), key };
    },
    answer: ({ key }: { key: KeyRecord }) => ({
      KeyId: keyArn(key),
      KeyRotationEnabled: key.rotation !== undefined && !key.deletion,
      ...(key.rotation &&
        !key.deletion && {
          RotationPeriodInDays: key.rotation.periodInDays,
          NextRotationDate: new Date(key.rotation.nextAt),
        }),
    }),
  },

  /** At once, and without a change of the time of the next rotation. */
  RotateKeyOnDemand: {
    resolve({ KeyId: id }, context) {
      const key = findOwnKeyById(id, context);
      const { sealingKey, now } = context;
      if (key.materials.filter(({ rotated }) => rotated === "ON_DEMAND").length >= mostOnDemand)
        throw limitExceeded(`A key is rotated on demand at most ${mostOnDemand} times.`);
      const material = newMaterial(key, { sealingKey, at: now(), rotated: "ON_DEMAND" });
      return rotating(key, { ...key, materials: [...key.materials, material] }, context);
    },
    answer: ({ key }: { key: KeyRecord }) => ({ KeyId: keyArn(key) }),
  },

  /** Without `IncludeKeyMaterial` the rotations alone, not what the key began with. */
  ListKeyRotations: {
    resolve(input, context) {
      const key = findOwnKeyById(input.KeyId, context);
      const all = input.IncludeKeyMaterial === "ALL_KEY_MATERIAL";
      const listed = key.materials
        .map((material, index) => ({ material, index }))
        .filter(({ material }) => all || material.rotated !== undefined);
      return {
        touches: [touchedKey({ key }, {}, context)],
        refusal: refusesRotation(key),
        key,
        page: page(listed, ({ index }) => String(index).padStart(6, "0"), input, 100),
      };
    },
    answer: ({ key, page: { items, truncation } }: RotationsPlan) => ({
      Rotations: items.map(({ material, index }) => ({
        KeyId: keyArn(key),
        KeyMaterialId: material.id,
        KeyMaterialState:
          index === key.materials.length - 1 ? ("CURRENT" as const) : ("NON_CURRENT" as const),
        ...(material.rotated && {
          RotationDate: new Date(material.createdAt),
          RotationType: material.rotated,
        }),
      })),
      ...truncation,
    }),
  },
} satisfies OperationsOf<typeof kms, KmsContext>;

interface RotationsPlan extends OperationPlan {
  readonly key: KeyRecord;
  readonly page: Page<{ readonly material: KeyMaterial; readonly index: number }>;
}

export const nextRotation = (from: Date, periodInDays: number): string =>
  new Date(from.getTime() + periodInDays * 86_400_000).toISOString();

const rotating = (
  key: KeyRecord,
  changed: KeyRecord,
  context: KmsContext,
  keys?: Readonly<Record<string, string>>,
) => ({
  touches: [touchedKey({ key }, { keys }, context)],
  refusal: refusesRotation(key) ?? refusesUse(key),
  transaction: context.records.rewriteKey(changed),
  key,
});

const refusesRotation = (key: KeyRecord) =>
  key.spec === "SYMMETRIC_DEFAULT"
    ? undefined
    : unsupported("Only the material of symmetric encryption keys is rotated.");

const yearInDays = 365;
/** AWS, "AWS KMS quotas". */
const mostOnDemand = 25;
