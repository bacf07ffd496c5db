import type * as ec2 from "@aws-sdk/client-ec2";
import type {
  IamInstanceProfileAssociation,
  IamInstanceProfileAssociationState,
  IamInstanceProfileSpecification,
} from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  associationNotActive,
  invalidParameter,
  missingParameter,
  neitherRunningNorStopped,
  noSuchAssociation,
  profileAssociated,
} from "../errors.ts";
import type { FilterTable } from "../filters.ts";
import { instancesOf, rewrite } from "./instance-change.ts";
import { chosenProfile, describeProfile, type ChosenProfile } from "./instance-profile.ts";
import { instanceState, touchedInstance, type InstanceRecord, type ProfileAssociation } from "./instance.ts";

/** An association is part of its instance's record: it is there once it is written, and goes with the instance. */
export const instanceProfileAssociationOperations = {
  AssociateIamInstanceProfile: {
    resolve({ InstanceId: id, IamInstanceProfile: given }, context): AssociationPlan {
      const chosen = required(given, context);
      const [instance] = instancesOf([id], context);
      if (!instance || !["running", "stopped"].includes(instanceState(instance)))
        throw neitherRunningNorStopped(id);
      if (instance.profile) throw profileAssociated(id);
      return associated(instance, chosen, context);
    },
    answer: (plan: AssociationPlan) => answered(plan, "associating"),
  },

  DescribeIamInstanceProfileAssociations: {
    resolve(input, { records }) {
      const { AssociationIds: ids } = input;
      const instances = ids?.length
        ? ids.flatMap((id) => records.instanceAssociatedBy(id) ?? [])
        : records.all("instance");
      const all = instances.flatMap((instance) =>
        instance.profile ? [{ id: instance.profile.id, instance, profile: instance.profile }] : [],
      );
      return describe(
        all.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
        input,
        {
          ids,
          parameter: "associationIdSet",
          missing: ([id = ""]) => noSuchAssociation(id),
          filters: associationFilters,
          shows: ({ instance }) => stateOf(instance) !== "disassociated",
        },
      );
    },
    answer: ({ items, nextToken }: { items: readonly Associated[]; nextToken?: string }) => ({
      IamInstanceProfileAssociations: items.map(({ instance, profile }) =>
        describeAssociation(profile, instance, stateOf(instance)),
      ),
      NextToken: nextToken,
    }),
  },

  /** Another association takes its place; of a stopped instance it is taken off first. */
  ReplaceIamInstanceProfileAssociation: {
    resolve({ AssociationId: id, IamInstanceProfile: given }, context): AssociationPlan {
      const chosen = required(given, context);
      const { instance } = associationOf(id, context);
      if (instanceState(instance) !== "running") throw associationNotActive(id);
      return associated(instance, chosen, context);
    },
    answer: (plan: AssociationPlan) => answered(plan, "associating"),
  },

  DisassociateIamInstanceProfile: {
    resolve({ AssociationId: id }, context): AssociationPlan {
      const { instance, profile } = associationOf(id, context);
      const { profile: _, ...left } = instance;
      return {
        touches: [touchedInstance(instance, context)],
        transaction: rewrite([left], context),
        instance,
        profile,
      };
    },
    answer: (plan: AssociationPlan) => answered(plan, "disassociating"),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface Associated {
  readonly instance: InstanceRecord;
  readonly profile: ProfileAssociation;
}
type AssociationPlan = OperationPlan & Associated;

const answered = ({ instance, profile }: AssociationPlan, state: IamInstanceProfileAssociationState) => ({
  IamInstanceProfileAssociation: describeAssociation(profile, instance, state),
});

function required(given: IamInstanceProfileSpecification | undefined, context: Ec2Context): ChosenProfile {
  const chosen = chosenProfile(given, context);
  if (!chosen) throw missingParameter("IamInstanceProfile");
  return chosen;
}

/** Whoever hands the instance a role must be allowed to both. */
function associated(instance: InstanceRecord, chosen: ChosenProfile, context: Ec2Context): AssociationPlan {
  const changed = { ...instance, ...chosen.associated() };
  const { expect, put } = rewrite([changed], context);
  const touched = touchedInstance(instance, context);
  return {
    touches: [{ ...touched, keys: { "ec2:NewInstanceProfile": chosen.arn } }, ...chosen.passing(instance.id)],
    transaction: { expect: [...expect, ...chosen.stays], put },
    instance,
    profile: changed.profile,
  };
}

/** One of an instance that is not on its way out. */
function associationOf(id: string, { records }: Ec2Context): Associated {
  if (!id.startsWith("iip-assoc-")) throw invalidParameter("Invalid value for associationId.");
  const instance = records.instanceAssociatedBy(id);
  const state = instance && stateOf(instance);
  if (!instance?.profile || state === "disassociated") throw noSuchAssociation(id);
  if (state === "disassociating") throw associationNotActive(id);
  return { instance, profile: instance.profile };
}

/** It comes with the launch, and goes with the instance. */
function stateOf(instance: InstanceRecord): IamInstanceProfileAssociationState {
  const state = instanceState(instance);
  if (state === "terminated") return "disassociated";
  if (state === "shutting-down") return "disassociating";
  return instance.so.state === "new" ? "associating" : "associated";
}

const associationFilters: FilterTable<Associated> = {
  "instance-id": ({ instance }) => instance.id,
  state: ({ instance }) => stateOf(instance),
};

const describeAssociation = (
  profile: ProfileAssociation,
  { id }: InstanceRecord,
  state: IamInstanceProfileAssociationState,
): IamInstanceProfileAssociation => ({
  AssociationId: profile.id,
  InstanceId: id,
  IamInstanceProfile: describeProfile(profile),
  State: state,
});
