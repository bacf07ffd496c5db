import type { TestContext } from "node:test";
import type { EC2, Tag } from "@aws-sdk/client-ec2";
import { testRegion } from "#testing/region.ts";

/*
 * What the replays of Terraform's AWS provider share. Each makes the calls that the provider makes for a resource, in its
 * order: apply, the read of a second plan, a change, and destroy. A plan is empty when its read gives what the configuration
 * says.
 */

/** A region, and the names of the calls made to it. */
export async function recorded(t: TestContext) {
  const { client } = await testRegion(t);
  const calls: string[] = [];
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        calls.push((commandName ?? "").replace(/Command$/, ""));
        return next(args);
      },
    { step: "initialize" },
  );
  return { client, calls };
}

/** Tags that are gone first, then those that are new or changed. */
export async function retag(
  client: EC2,
  id: string,
  gone: Record<string, string>,
  now: Record<string, string>,
) {
  await client.deleteTags({ Resources: [id], Tags: tagList(gone) });
  await client.createTags({ Resources: [id], Tags: tagList(now) });
}

export const tagList = (map: Record<string, string>): Tag[] =>
  Object.entries(map).map(([Key, Value]) => ({ Key, Value }));
export const tagMap = (list: readonly Tag[] = []) =>
  Object.fromEntries(list.map(({ Key = "", Value = "" }) => [Key, Value]));
