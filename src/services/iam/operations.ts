import type * as iam from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import { accessKeyOperations } from "./access-key-operations.ts";
import { accountOperations } from "./account-operations.ts";
import { attachmentOperations } from "./attachment-operations.ts";
import { boundaryOperations } from "./boundary-operations.ts";
import type { IamContext } from "./context.ts";
import { credentialReportOperations } from "./credential-report-operations.ts";
import { groupOperations } from "./group-operations.ts";
import { inlinePolicyOperations } from "./inline-policy-operations.ts";
import { instanceProfileOperations } from "./instance-profile-operations.ts";
import { loginProfileOperations } from "./login-profile-operations.ts";
import { managedPolicyOperations } from "./managed-policy-operations.ts";
import { mfaOperations } from "./mfa-operations.ts";
import { oidcProviderOperations } from "./oidc-provider-operations.ts";
import { passwordPolicyOperations } from "./password-policy-operations.ts";
import { policyVersionOperations } from "./policy-version-operations.ts";
import { roleOperations } from "./role-operations.ts";
import { samlProviderOperations } from "./saml-provider-operations.ts";
import { serverCertificateOperations } from "./server-certificate-operations.ts";
import { serviceLinkedRoleOperations } from "./service-linked-role-operations.ts";
import { simulationOperations } from "./simulation-operations.ts";
import { tagOperations } from "./tag-operations.ts";
import { userOperations } from "./user-operations.ts";

/** Every IAM operation that Croft serves. */
export const iamOperations = {
  ...accessKeyOperations,
  ...accountOperations,
  ...attachmentOperations,
  ...boundaryOperations,
  ...credentialReportOperations,
  ...groupOperations,
  ...inlinePolicyOperations,
  ...instanceProfileOperations,
  ...loginProfileOperations,
  ...managedPolicyOperations,
  ...mfaOperations,
  ...oidcProviderOperations,
  ...passwordPolicyOperations,
  ...policyVersionOperations,
  ...roleOperations,
  ...samlProviderOperations,
  ...serverCertificateOperations,
  ...serviceLinkedRoleOperations,
  ...simulationOperations,
  ...tagOperations,
  ...userOperations,
} satisfies OperationsOf<typeof iam, IamContext>;
