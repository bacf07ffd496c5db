import type { ApiError } from "#api/error.ts";
import type { OperationPlan, TouchedResource } from "#api/operation.ts";
import { KeyRefused, type OpenKey } from "#drivers/open-key.ts";
import type { Transaction } from "#store/store.ts";
import type { KmsContext } from "../../kms/context.ts";
import {
  openServiceDataKey,
  serviceKey,
  useOfDataKey,
  type OpeningOptions,
  type ServiceKey,
} from "../../kms/service-data-key.ts";
import type { Ec2Context } from "../context.ts";
import { encryptedStaysSo, kmsKeyWithoutEncrypted } from "../errors.ts";
import { together } from "../together.ts";
import { ebsSettings } from "./ebs-settings.ts";

/** What the bytes of a volume or snapshot are encrypted with. Those of one volume, and of what is made of them by the same key, share it. */
export interface Encryption {
  /** As DescribeVolumes shows it: an ARN. */
  readonly keyArn: string;
  /** The data key, encrypted with the KMS key, as `openDataKey` has it. */
  readonly dataKey: string;
}

/** What a request says of it. */
export interface AskedEncryption {
  readonly Encrypted?: boolean | undefined;
  readonly KmsKeyId?: string | undefined;
}

export interface EncryptedSource {
  readonly encryption?: Encryption | undefined;
  /** Another account's, or of another region: its key does not become that of what is made of it. */
  readonly isForeign?: boolean;
}

export interface ChosenEncryption {
  readonly encryption?: Encryption;
  /** EC2 makes what is asked for all the same, and it fails. */
  readonly failed?: string;
}

/** Chooses the encryption of all that one request makes. */
export interface EncryptionPlan {
  /** Of what is to have the new id. Throws InvalidParameterDependency and InvalidParameterCombination. */
  of(id: string, asked: AskedEncryption, source?: EncryptedSource): ChosenEncryption;
  /** What the request touches and writes for it. */
  parts(): { readonly touches: readonly TouchedResource[]; readonly transaction: Transaction };
}

/** Follows "Amazon EBS encryption" of the EBS user guide: by default, and what becomes of snapshots' keys. */
export function encryptionPlan(
  context: Pick<Ec2Context, "region" | "records" | "now" | "kms">,
): EncryptionPlan {
  const keys = new Map<string, ServiceKey | ApiError>();
  const touched = new Map<string, TouchedResource>();
  const touch = (touches: readonly TouchedResource[]) => {
    for (const it of touches) touched.set(`${it.action} ${it.arn}`, it);
  };
  const settings = ebsSettings(context);
  const keyOf = (keyId: string): ServiceKey | ApiError => {
    const known = keys.get(keyId) ?? keyOrError(keyId, context);
    keys.set(keyId, known);
    return known;
  };
  return {
    of(id, { Encrypted, KmsKeyId }, { encryption: has, isForeign = false } = {}) {
      if (has && Encrypted === false) throw encryptedStaysSo();
      if (!has && !Encrypted && !settings.encrypted) {
        if (KmsKeyId) throw kmsKeyWithoutEncrypted();
        return {};
      }
      const keyId = KmsKeyId || (has && !isForeign ? has.keyArn : (settings.kmsKeyId ?? awsKey));
      const key = keyOf(keyId);
      if ("code" in key) return { encryption: { keyArn: keyId, dataKey: "" }, failed: invalidKey(key) };
      const used = has && useOf(has, context);
      touch(used?.touches ?? []);
      if (has && has.keyArn === key.keyArn)
        return { encryption: has, ...(used?.refusal && { failed: invalidKey(used.refusal) }) };
      const { ciphertext, touches } = key.newDataKey(purpose(id));
      touch(touches);
      const refusal = key.refusal ?? used?.refusal;
      const dataKey = `${context.region}:${id}:${ciphertext.toString("base64url")}`;
      return { encryption: { keyArn: key.keyArn, dataKey }, ...(refusal && { failed: invalidKey(refusal) }) };
    },
    parts: () => ({
      touches: [...touched.values()],
      transaction: together(
        ...[...keys.values()].flatMap((it) => ("code" in it ? [] : (it.transaction ?? []))),
      ),
    }),
  };
}

/** What is touched by whoever uses what is encrypted, and why that cannot be. */
export function useOf(
  { dataKey }: Encryption,
  context: Pick<Ec2Context, "kms">,
): Required<Pick<OperationPlan, "touches">> & { readonly refusal: ApiError | undefined } {
  const { region, id, ciphertext } = partsOf(dataKey);
  return useOfDataKey({ ciphertext, via, encryptionContext: purpose(id) }, { ...kmsOf(context), region });
}

/** For the drivers of a host, which know data keys as the records have them. */
export const openDataKey =
  (options: Omit<OpeningOptions, "region">): OpenKey =>
  (dataKey) => {
    const { region, id, ciphertext } = partsOf(dataKey);
    try {
      return openServiceDataKey(ciphertext, purpose(id), { ...options, region }).toString("hex");
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new KeyRefused(message, { cause: error });
    }
  };

/** Of a key as a request names it; what is none, as it is named. */
export function serviceKeyArn(keyId: string, context: Ec2Context): string {
  const key = keyOrError(keyId, context);
  return "code" in key || key.transaction ? keyId : key.keyArn;
}

/** Whether AWS manages the key, so that nobody else can be let use it. */
export function isAwsManaged({ keyArn }: Encryption, context: Pick<Ec2Context, "kms">): boolean {
  const [, , , region = "", accountId = "", resource = ""] = keyArn.split(":");
  const id = resource.replace("key/", "");
  return kmsOf(context).records.get("kms-key", { accountId, region }, id)?.manager === "AWS";
}

/** As EC2 calls what is the matter with a key. */
export const invalidKey = ({ message }: { readonly message: string }): string =>
  `Client.InvalidKMSKey.InvalidState: ${message}`;

export const awsKey = "alias/aws/ebs";
const via = "ec2";

/** As EBS does: the volume or snapshot that the data key was made for. */
const purpose = (id: string) => ({ "aws:ebs:id": id });

function partsOf(dataKey: string) {
  const [region = "", id = "", text = ""] = dataKey.split(":");
  return { region, id, ciphertext: Buffer.from(text, "base64url") };
}

function keyOrError(keyId: string, context: Pick<Ec2Context, "kms">): ServiceKey | ApiError {
  try {
    return serviceKey({ keyId, via }, kmsOf(context));
  } catch (error) {
    if (error instanceof Error && "code" in error) return error as ApiError;
    throw error;
  }
}

function kmsOf({ kms }: Pick<Ec2Context, "kms">): KmsContext {
  if (!kms) throw new Error("nothing is encrypted here");
  return kms;
}
