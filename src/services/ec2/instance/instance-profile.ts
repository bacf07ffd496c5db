import type { IamInstanceProfile, IamInstanceProfileSpecification } from "@aws-sdk/client-ec2";
import type { TouchedResource } from "#api/operation.ts";
import type { Expectation } from "#store/store.ts";
import { arnOf, byArn } from "../../iam/holder.ts";
import type { Ec2Context } from "../context.ts";
import { exclusiveParameters, invalidParameter } from "../errors.ts";
import { instanceArn, type ProfileAssociation } from "./instance.ts";

/** An instance profile that a request names, for instances to have. */
export interface ChosenProfile {
  readonly arn: string;
  /** The member of an instance's record: of each its own. */
  associated(): { readonly profile: ProfileAssociation };
  /** That the role is handed to the instance, or to those to be made ("*"), which its giver must be allowed to. */
  passing(instanceId: string): TouchedResource[];
  /** It holds the role that was looked at. */
  readonly stays: readonly Expectation[];
}

/** Undefined: none is named. Throws InvalidParameterValue for one that is not there, or holds no role. */
export function chosenProfile(
  given: IamInstanceProfileSpecification | undefined,
  context: Ec2Context,
): ChosenProfile | undefined {
  const { Arn, Name } = given ?? {};
  if (!Arn && !Name) return undefined;
  if (Arn && Name) throw exclusiveParameters("iamInstanceProfile.name", "iamInstanceProfile.arn");
  const { iam } = context.records;
  const profile = Arn
    ? byArn("iam-instance-profile", Arn, iam)
    : iam.named("iam-instance-profile", Name ?? "");
  if (!profile)
    throw Arn
      ? invalidParameter(
          `Value (${Arn}) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN`,
        )
      : invalidParameter(
          `Value (${Name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name`,
        );
  const arn = arnOf("iam-instance-profile", profile, context);
  const role = iam.get("iam-role", profile.role ?? "");
  if (!role) throw invalidParameter(`IAM Instance Profile "${arn}" has no associated IAM Roles`);
  const { expect: stays } = iam.rewrite("iam-instance-profile", profile);
  return {
    arn,
    stays,
    associated: () => ({ profile: { id: context.newId("iip-assoc"), profileId: profile.id, arn } }),
    passing: (instanceId) => [
      {
        action: "iam:PassRole",
        arn: arnOf("iam-role", role, context),
        tags: role.tags,
        keys: {
          "iam:PassedToService": "ec2.amazonaws.com",
          "iam:AssociatedResourceArn": instanceArn(instanceId, context),
        },
      },
    ],
  };
}

export const describeProfile = (
  association: ProfileAssociation | undefined,
): IamInstanceProfile | undefined => association && { Arn: association.arn, Id: association.profileId };
