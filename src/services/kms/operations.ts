import { aliasOperations } from "./alias-operations.ts";
import { cryptographyOperations } from "./cryptography-operations.ts";
import { grantOperations } from "./grant-operations.ts";
import { keyOperations } from "./key-operations.ts";
import { macOperations } from "./mac-operations.ts";
import { policyOperations } from "./policy-operations.ts";
import { rotationOperations } from "./rotation-operations.ts";
import { tagOperations } from "./tag-operations.ts";

/** Every KMS operation that Croft serves. */
export const kmsOperations = {
  ...keyOperations,
  ...aliasOperations,
  ...policyOperations,
  ...grantOperations,
  ...rotationOperations,
  ...tagOperations,
  ...cryptographyOperations,
  ...macOperations,
};
