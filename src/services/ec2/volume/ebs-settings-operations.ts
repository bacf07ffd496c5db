import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { ebsSettings, type EbsSettingsRecord } from "./ebs-settings.ts";
import { awsKey, serviceKeyArn } from "./encryption.ts";

export const ebsSettingsOperations = {
  GetEbsEncryptionByDefault: {
    resolve: () => ({ touches: [] }),
    answer: (_, context) => describeDefault(ebsSettings(context).encrypted ?? false),
  },
  EnableEbsEncryptionByDefault: {
    resolve: (_, context) => changed(context, (it) => ({ ...it, encrypted: true })),
    answer: () => ({ EbsEncryptionByDefault: true }),
  },
  /** What is encrypted stays so. */
  DisableEbsEncryptionByDefault: {
    resolve: (_, context) => changed(context, ({ encrypted: _before, ...settings }) => settings),
    answer: () => ({ EbsEncryptionByDefault: false }),
  },

  GetEbsDefaultKmsKeyId: {
    resolve: () => ({ touches: [] }),
    answer: (_, context) => describeKey(context),
  },
  /** A key that is none is told by what is made with it, as on AWS. */
  ModifyEbsDefaultKmsKeyId: {
    resolve: ({ KmsKeyId }, context) =>
      changed(context, (it) => ({ ...it, kmsKeyId: serviceKeyArn(KmsKeyId, context) })),
    answer: (_: OperationPlan, context) => describeKey(context),
  },
  ResetEbsDefaultKmsKeyId: {
    resolve: (_, context) => changed(context, ({ kmsKeyId: _before, ...settings }) => settings),
    answer: (_: OperationPlan, context) => describeKey(context),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const describeDefault = (encrypted: boolean) => ({
  EbsEncryptionByDefault: encrypted,
  SseType: encrypted ? ("sse-kms" as const) : ("none" as const),
});

const describeKey = (context: Ec2Context) => ({ KmsKeyId: ebsSettings(context).kmsKeyId ?? awsKey });

function changed(
  context: Ec2Context,
  change: (settings: EbsSettingsRecord) => EbsSettingsRecord,
): OperationPlan {
  const { records } = context;
  const value = change(ebsSettings(context));
  const key = records.key("ebs-settings", value.id);
  const first = { expect: [{ absent: key }], put: [{ key, value }] };
  const isThere = records.entry("ebs-settings", value.id) !== undefined;
  return { touches: [], transaction: isThere ? records.rewrite("ebs-settings", value) : first };
}
