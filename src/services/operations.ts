import { dlmOperations } from "./dlm/operations.ts";
import { ebsOperations } from "./ebs/operations.ts";
import { ec2Operations } from "./ec2/operations.ts";
import { iamOperations } from "./iam/operations.ts";
import { kmsOperations } from "./kms/operations.ts";
import { rbinOperations } from "./rbin/operations.ts";
import { serviceQuotasOperations } from "./service-quotas/operations.ts";
import { ssmOperations } from "./ssm/operations.ts";
import { stsOperations } from "./sts/operations.ts";

/** Every operation that Croft serves, by the names requests are signed for. */
export const servedOperations = {
  dlm: dlmOperations,
  ebs: ebsOperations,
  ec2: ec2Operations,
  iam: iamOperations,
  kms: kmsOperations,
  rbin: rbinOperations,
  servicequotas: serviceQuotasOperations,
  ssm: ssmOperations,
  sts: stsOperations,
};
