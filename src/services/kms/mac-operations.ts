import { createHmac, timingSafeEqual } from "node:crypto";
import type * as kms from "@aws-sdk/client-kms";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { KmsContext } from "./context.ts";
import { invalidMac, invalidUsage } from "./errors.ts";
import { checkGrantTokens } from "./grant-token.ts";
import { openMaterial } from "./key-material.ts";
import { findKey } from "./key-name.ts";
import { keyArn, macAlgorithm, refusesUse, usageOf } from "./key.ts";
import type { KeyRecord } from "./records.ts";
import { touchedKey } from "./touched-key.ts";

export const macOperations = {
  GenerateMac: {
    resolve: (input, context) => macPlan("GenerateMac", input, context),
    answer: ({ key, input }: MacPlan, context) => ({
      KeyId: keyArn(key),
      Mac: macOf(key, input, context),
      MacAlgorithm: input.MacAlgorithm,
    }),
  },

  VerifyMac: {
    resolve: (input, context) => ({ ...macPlan("VerifyMac", input, context), mac: input.Mac }),
    answer({ key, input, mac }: MacPlan & { mac: Uint8Array }, context) {
      const own = macOf(key, input, context);
      if (own.length !== mac.length || !timingSafeEqual(own, mac)) throw invalidMac();
      return { KeyId: keyArn(key), MacValid: true, MacAlgorithm: input.MacAlgorithm };
    },
  },
} satisfies OperationsOf<typeof kms, KmsContext>;

interface MacInput {
  readonly KeyId: string;
  readonly Message: Uint8Array;
  readonly MacAlgorithm: kms.MacAlgorithmSpec;
  readonly GrantTokens?: string[] | undefined;
}
interface MacPlan extends OperationPlan {
  readonly key: KeyRecord;
  readonly input: MacInput;
}

function macPlan(operation: string, input: MacInput, context: KmsContext): MacPlan {
  checkGrantTokens(input.GrantTokens, context);
  const named = findKey(input.KeyId, context);
  const keys = { "kms:MacAlgorithm": input.MacAlgorithm };
  return {
    touches: [touchedKey(named, { granted: { operation }, keys }, context)],
    refusal: refusesMac(named.key, operation, input) ?? refusesUse(named.key),
    key: named.key,
    input,
  };
}

function refusesMac(key: KeyRecord, operation: string, { MacAlgorithm: algorithm }: MacInput) {
  const arn = keyArn(key);
  if (key.spec === "SYMMETRIC_DEFAULT")
    return invalidUsage(`${arn} key usage is ${usageOf(key)} which is not valid for ${operation}.`);
  if (algorithm !== macAlgorithm(key.spec))
    return invalidUsage(`Algorithm ${algorithm} is incompatible with key spec ${key.spec}.`);
  return undefined;
}

function macOf(key: KeyRecord, { Message, MacAlgorithm }: MacInput, { sealingKey }: KmsContext): Buffer {
  const [material] = key.materials;
  if (!material) throw new Error(`the key ${key.id} has no material`);
  const hash = `sha${MacAlgorithm.slice("HMAC_SHA_".length)}`;
  return createHmac(hash, openMaterial(key, material, sealingKey))
    .update(Message)
    .digest();
}
