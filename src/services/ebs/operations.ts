import { readOperations } from "./read-operations.ts";
import { writeOperations } from "./write-operations.ts";

/** Every operation of EBS's direct APIs. */
export const ebsOperations = { ...readOperations, ...writeOperations };
