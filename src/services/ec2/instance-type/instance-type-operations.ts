import type * as ec2 from "@aws-sdk/client-ec2";
import type { LocationType } from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import { zonesOf } from "../availability-zone/availability-zone.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { instanceTypesNotFound } from "../errors.ts";
import { page } from "../pagination.ts";
import { describeInstanceType } from "./describe-instance-type.ts";
import { requirementTest } from "./instance-requirements.ts";
import { instanceTypeFilters } from "./instance-type-filters.ts";
import { instanceTypes, type InstanceType } from "./instance-type.ts";

export const instanceTypeOperations = {
  DescribeInstanceTypes: {
    resolve: (input) =>
      describe([...instanceTypes.values()], input, {
        ids: input.InstanceTypes,
        parameter: "InstanceTypes",
        missing: instanceTypesNotFound,
        filters: instanceTypeFilters,
        bounds: { min: 5, max: 100 },
      }),
    answer: ({ items, nextToken }: { items: readonly InstanceType[]; nextToken?: string }) => ({
      InstanceTypes: items.map(describeInstanceType),
      NextToken: nextToken,
    }),
  },

  /** Every type is offered in every zone; whether the host has room for one shows when it is launched. */
  DescribeInstanceTypeOfferings: {
    resolve(input, { region }) {
      const by = input.LocationType ?? "region";
      return {
        ...describe(offerings(locations(by, region)), input, {
          ids: undefined,
          parameter: "",
          missing: instanceTypesNotFound,
          filters: { "instance-type": (it) => it.type, location: (it) => it.location },
        }),
        by,
      };
    },
    answer: ({ items, nextToken, by }: OfferingsPlan) => ({
      InstanceTypeOfferings: items.map(({ type, location }) => ({
        InstanceType: type,
        LocationType: by,
        Location: location,
      })),
      NextToken: nextToken,
    }),
  },

  GetInstanceTypesFromInstanceRequirements: {
    resolve(input) {
      const found = [...instanceTypes.values()].filter(requirementTest(input));
      return { touches: [], ...page(found, ({ id }) => id, input, { min: 1, max: 1000 }) };
    },
    answer: ({ items, nextToken }: { items: readonly InstanceType[]; nextToken: string | undefined }) => ({
      InstanceTypes: items.map(({ id }) => ({ InstanceType: id })),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface Offering {
  readonly id: string;
  readonly type: InstanceType["id"];
  readonly location: string;
}

interface OfferingsPlan {
  readonly items: readonly Offering[];
  readonly nextToken?: string;
  readonly by: LocationType;
}

function locations(by: LocationType, region: string): string[] {
  if (by === "availability-zone") return zonesOf(region).map(({ name }) => name);
  if (by === "availability-zone-id") return zonesOf(region).map(({ id }) => id);
  return by === "region" ? [region] : [];
}

/** A blank sorts before every character of a name, so the ids are in order as their types are. */
const offerings = (places: readonly string[]): Offering[] =>
  [...instanceTypes.values()].flatMap(({ id: type }) =>
    places.map((location) => ({ id: `${type} ${location}`, type, location })),
  );
