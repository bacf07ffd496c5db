import { generateKeyPair, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import type * as kms from "@aws-sdk/client-kms";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { headerOf } from "./ciphertext.ts";
import type { KmsContext } from "./context.ts";
import {
  incorrectKey,
  invalidCiphertext,
  invalidUsage,
  noKeyOfCiphertext,
  unsupported,
  validation,
} from "./errors.ts";
import { checkGrantTokens } from "./grant-token.ts";
import { decryptedBy, encryptedBy, materialIdOf } from "./key-cipher.ts";
import { findKey, type NamedKey } from "./key-name.ts";
import { isGone, keyArn, refusesUse, usageOf } from "./key.ts";
import type { EncryptionContext, KeyRecord } from "./records.ts";
import { touchedKey, type KeyUse } from "./touched-key.ts";

/** What is said of a key's state is told only to who may use it. */
export const cryptographyOperations = {
  Encrypt: {
    resolve(input, context) {
      checkAlgorithm(input.EncryptionAlgorithm);
      return { ...using(findKey(input.KeyId, context), "Encrypt", input, context), input };
    },
    answer: ({ key, input }: UsePlan & { input: kms.EncryptCommandInput }, context) => ({
      KeyId: keyArn(key),
      CiphertextBlob: encryptedBy(key, input.Plaintext ?? new Uint8Array(), input.EncryptionContext, context),
      EncryptionAlgorithm: symmetric,
    }),
  },

  Decrypt: {
    resolve(input, context) {
      checkAlgorithm(input.EncryptionAlgorithm);
      refuseEnclave(input.Recipient);
      const blob = required(input.CiphertextBlob);
      const key = keyOfCiphertext(blob, input.KeyId, context);
      return { ...using({ key }, "Decrypt", input, context), input: { ...input, CiphertextBlob: blob } };
    },
    answer({ key, input }: UsePlan & { input: kms.DecryptCommandInput }, context) {
      const blob = required(input.CiphertextBlob);
      return {
        KeyId: keyArn(key),
        Plaintext: decryptedBy(key, blob, input.EncryptionContext, context),
        EncryptionAlgorithm: symmetric,
        KeyMaterialId: materialIdOf(key, blob),
      };
    },
  },

  /** Asked of both keys, each by an action of its own. */
  ReEncrypt: {
    resolve(input, context) {
      checkAlgorithm(input.SourceEncryptionAlgorithm);
      checkAlgorithm(input.DestinationEncryptionAlgorithm);
      const blob = required(input.CiphertextBlob);
      const source = keyOfCiphertext(blob, input.SourceKeyId, context);
      const destination = findKey(input.DestinationKeyId, context);
      const same = { "kms:ReEncryptOnSameKey": String(source.id === destination.key.id) };
      const { GrantTokens } = input;
      const from = using(
        { key: source },
        "ReEncryptFrom",
        { GrantTokens, EncryptionContext: input.SourceEncryptionContext },
        context,
        { action: "kms:ReEncryptFrom", keys: same },
      );
      const to = using(
        destination,
        "ReEncryptTo",
        { EncryptionContext: input.DestinationEncryptionContext },
        context,
        { action: "kms:ReEncryptTo", keys: same },
      );
      return {
        touches: [...from.touches, ...to.touches],
        refusal: from.refusal ?? to.refusal,
        source,
        destination: destination.key,
        input,
      };
    },
    answer({ source, destination, input }: ReEncryptPlan, context) {
      const blob = required(input.CiphertextBlob);
      const plaintext = decryptedBy(source, blob, input.SourceEncryptionContext, context);
      return {
        CiphertextBlob: encryptedBy(destination, plaintext, input.DestinationEncryptionContext, context),
        SourceKeyId: keyArn(source),
        KeyId: keyArn(destination),
        SourceEncryptionAlgorithm: symmetric,
        DestinationEncryptionAlgorithm: symmetric,
        SourceKeyMaterialId: materialIdOf(source, blob),
        DestinationKeyMaterialId: destination.materials.at(-1)?.id,
      };
    },
  },

  GenerateDataKey: {
    resolve(input, context) {
      refuseEnclave(input.Recipient);
      return dataKeyPlan("GenerateDataKey", input, context);
    },
    answer: ({ key, bytes, input }: DataKeyPlan, context) => {
      const Plaintext = randomBytes(bytes);
      return { Plaintext, ...wrapped(key, Plaintext, input, context) };
    },
  },

  GenerateDataKeyWithoutPlaintext: {
    resolve: (input, context) => dataKeyPlan("GenerateDataKeyWithoutPlaintext", input, context),
    answer: ({ key, bytes, input }: DataKeyPlan, context) => wrapped(key, randomBytes(bytes), input, context),
  },

  GenerateDataKeyPair: {
    resolve(input, context) {
      refuseEnclave(input.Recipient);
      return pairPlan("GenerateDataKeyPair", input, context);
    },
    async answer({ key, input }: PairPlan, context) {
      const { publicKey, privateKey } = await newPair(input.KeyPairSpec);
      return { PrivateKeyPlaintext: privateKey, ...wrappedPair(key, publicKey, privateKey, input, context) };
    },
  },

  GenerateDataKeyPairWithoutPlaintext: {
    resolve: (input, context) => pairPlan("GenerateDataKeyPairWithoutPlaintext", input, context),
    async answer({ key, input }: PairPlan, context) {
      const { publicKey, privateKey } = await newPair(input.KeyPairSpec);
      return wrappedPair(key, publicKey, privateKey, input, context);
    },
  },

  GenerateRandom: {
    resolve({ NumberOfBytes: bytes, CustomKeyStoreId: store, Recipient: recipient }) {
      refuseEnclave(recipient);
      if (store !== undefined) throw unsupported("Croft has no custom key stores.");
      if (bytes === undefined) throw validation("Please specify either number of bytes or key spec.");
      return { touches: [], bytes };
    },
    answer: ({ bytes }: OperationPlan & { bytes: number }) => ({ Plaintext: randomBytes(bytes) }),
  },
} satisfies OperationsOf<typeof kms, KmsContext>;

const symmetric = "SYMMETRIC_DEFAULT" as const;

interface UsePlan extends OperationPlan {
  readonly key: KeyRecord;
}
interface ReEncryptPlan extends OperationPlan {
  readonly source: KeyRecord;
  readonly destination: KeyRecord;
  readonly input: kms.ReEncryptCommandInput;
}
interface DataKeyPlan extends UsePlan {
  readonly bytes: number;
  readonly input: { readonly EncryptionContext?: EncryptionContext | undefined };
}
interface PairPlan extends UsePlan {
  readonly input: Pick<kms.GenerateDataKeyPairCommandInput, "EncryptionContext" | "KeyPairSpec">;
}

function using(
  named: NamedKey,
  operation: string,
  input: { EncryptionContext?: EncryptionContext | undefined; GrantTokens?: string[] | undefined },
  context: KmsContext,
  more: KeyUse = {},
): UsePlan {
  checkGrantTokens(input.GrantTokens, context);
  const encryptionContext = input.EncryptionContext;
  const { key } = named;
  const wrongUsage =
    usageOf(key) === "ENCRYPT_DECRYPT"
      ? undefined
      : invalidUsage(`${keyArn(key)} key usage is ${usageOf(key)} which is not valid for ${operation}.`);
  const keys = { "kms:EncryptionAlgorithm": symmetric, ...more.keys };
  const use = { ...more, keys, encryptionContext, granted: { operation, encryptionContext } };
  return {
    key,
    touches: [touchedKey(named, use, context)],
    refusal: wrongUsage ?? refusesUse(key),
  };
}

function dataKeyPlan(
  operation: string,
  input: Pick<
    kms.GenerateDataKeyCommandInput,
    "EncryptionContext" | "GrantTokens" | "KeyId" | "KeySpec" | "NumberOfBytes"
  >,
  context: KmsContext,
): DataKeyPlan {
  const { KeySpec: spec, NumberOfBytes: given } = input;
  const bytes = given ?? (spec === "AES_128" ? 16 : 32);
  if ((spec === undefined) === (given === undefined))
    throw validation("Please specify either number of bytes or key spec.");
  return { ...using(findKey(input.KeyId ?? "", context), operation, input, context), bytes, input };
}

function pairPlan(
  operation: string,
  input: Pick<
    kms.GenerateDataKeyPairCommandInput,
    "EncryptionContext" | "GrantTokens" | "KeyId" | "KeyPairSpec"
  >,
  context: KmsContext,
): PairPlan {
  if (!Object.hasOwn(pairs, input.KeyPairSpec ?? ""))
    throw unsupported(`Croft does not make key pairs of the spec ${input.KeyPairSpec} yet.`);
  const more = { keys: { "kms:DataKeyPairSpec": input.KeyPairSpec ?? "" } };
  return { ...using(findKey(input.KeyId ?? "", context), operation, input, context, more), input };
}

/** By spec: SPKI and PKCS #8, both DER. */
const pairs = {
  RSA_2048: () => rsa(2048),
  RSA_3072: () => rsa(3072),
  RSA_4096: () => rsa(4096),
  ECC_NIST_P256: () => ec("P-256"),
  ECC_NIST_P384: () => ec("P-384"),
  ECC_NIST_P521: () => ec("P-521"),
  ECC_SECG_P256K1: () => ec("secp256k1"),
};
const make = promisify(generateKeyPair);
const der = {
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "der" },
} as const;
const rsa = (modulusLength: number) => make("rsa", { modulusLength, ...der });
const ec = (namedCurve: string) => make("ec", { namedCurve, ...der });
const newPair = (spec: string | undefined) => pairs[spec as keyof typeof pairs]();

function wrappedPair(
  key: KeyRecord,
  publicKey: Buffer,
  privateKey: Buffer,
  { EncryptionContext: given, KeyPairSpec }: PairPlan["input"],
  context: KmsContext,
) {
  return {
    KeyId: keyArn(key),
    KeyPairSpec,
    PublicKey: publicKey,
    PrivateKeyCiphertextBlob: encryptedBy(key, privateKey, given, context),
    KeyMaterialId: key.materials.at(-1)?.id,
  };
}

const wrapped = (
  key: KeyRecord,
  plaintext: Uint8Array,
  { EncryptionContext: given }: DataKeyPlan["input"],
  context: KmsContext,
) => ({
  KeyId: keyArn(key),
  CiphertextBlob: encryptedBy(key, plaintext, given, context),
  KeyMaterialId: key.materials.at(-1)?.id,
});

/** The one that a ciphertext names, which has to be the one that the call names, if it does. */
function keyOfCiphertext(blob: Uint8Array, named: string | undefined, context: KmsContext): KeyRecord {
  const header = headerOf(blob);
  const asked = named === undefined ? undefined : findKey(named, context).key;
  if (!header) throw invalidCiphertext();
  const { accountId, keyId } = header;
  const key = context.records.get("kms-key", { accountId, region: context.region }, keyId);
  if (asked && asked.id !== keyId) throw incorrectKey();
  if (!key || isGone(key, context.now())) throw noKeyOfCiphertext();
  return key;
}

function required(blob: Uint8Array | undefined): Uint8Array {
  if (!blob)
    throw validation(
      "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null",
    );
  return blob;
}

function checkAlgorithm(algorithm: string | undefined): void {
  if (algorithm !== undefined && algorithm !== symmetric)
    throw invalidUsage(`Algorithm ${algorithm} and key spec ${symmetric} are incompatible.`);
}

/** Nitro enclaves: Croft has none. */
function refuseEnclave(recipient: object | undefined): void {
  if (recipient) throw unsupported("Croft has no enclaves, so Recipient is not served.");
}
