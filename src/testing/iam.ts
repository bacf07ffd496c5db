import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { IAM } from "@aws-sdk/client-iam";
import { testRegion } from "./region.ts";

/** IAM of a fresh region, asked by its root. */
export async function iamScene(t: TestContext) {
  const { clientConfig } = await testRegion(t);
  const iam = new IAM(clientConfig);
  t.after(() => iam.destroy());
  const refused = async (call: Promise<unknown>, name: string, message?: RegExp) =>
    assert.rejects(call, { name, ...(message && { message }) });
  return { iam, refused, clientConfig };
}
