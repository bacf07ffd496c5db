import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { IAM } from "@aws-sdk/client-iam";
import { testRegion } from "./region.ts";

/** IAM of a fresh region, asked by its root. */
export async function iamScene(t: TestContext) {
  const region = await testRegion(t, { notesRoot: true });
  const { clientConfig, feed, until } = region;
  const iam = new IAM(clientConfig);
  t.after(() => iam.destroy());
  const refused = async (call: Promise<unknown>, name: string, message?: RegExp) =>
    assert.rejects(call, { name, ...(message && { message }) });
  /** Until a record is there whose key begins and ends so: some are written after the answer. */
  const noted = (kind: string, id = "") =>
    until(() => feed.list(`${kind}/`).some(({ key }) => key.endsWith(id)));
  return { ...region, iam, refused, noted };
}
