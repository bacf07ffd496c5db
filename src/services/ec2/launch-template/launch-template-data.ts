import type { RequestLaunchTemplateData } from "@aws-sdk/client-ec2";
import { invalidParameter, missingParameter } from "../errors.ts";
import { checkedUserData } from "../instance/launch-parameters.ts";
import { tagsFor } from "../tag/tag.ts";

/**
 * A template may hold what Croft does not serve, as it may name an image that does not exist: a launch from it says so. Only
 * what no launch could ever take is refused now.
 */
export function checkedData(data: RequestLaunchTemplateData): RequestLaunchTemplateData {
  if (Object.values(data).every((value) => value === undefined)) throw missingParameter("LaunchTemplateData");
  checkedUserData(data.UserData);
  for (const { ResourceType: type } of data.TagSpecifications ?? [])
    if (type !== undefined) tagsFor(type, data.TagSpecifications);
  return data;
}

export function checkedDescription(description: string | undefined): { description?: string } {
  if (description === undefined) return {};
  if (description.length > 255)
    throw invalidParameter("The parameter VersionDescription may have up to 255 characters.");
  return { description };
}
