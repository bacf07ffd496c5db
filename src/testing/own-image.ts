import type { TestContext } from "node:test";
import { recordImportedImage } from "#services/ec2/image/imported-image.ts";
import { testRegion } from "./region.ts";

/** A region with an image of the account's own beside the provided one. */
export const regionWithOwn = async (t: TestContext) => {
  const region = await testRegion(t);
  const scope = { accountId: region.accountId, region: region.clientConfig.region };
  const own = {
    id: "ami-0cccccccccccccccc",
    name: "mine",
    description: "",
    architecture: "x86_64",
    bootMode: "uefi",
    sizeGiB: 2,
  } as const;
  await recordImportedImage(own, scope, region.store, new Date());
  await region.until(() => region.records.get("image", own.id) !== undefined);
  return { region, scope, own };
};
