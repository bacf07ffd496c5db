import type * as ec2 from "@aws-sdk/client-ec2";
import type { ResourceType } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { transactionLimits } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { invalidParameter, missingParameter } from "../errors.ts";
import { filtered } from "../filters.ts";
import { page } from "../pagination.ts";
import type { ResourceRecord } from "../records.ts";
import { refuseReservedKeys, withoutTags, withTags, type Tags } from "./tag.ts";
import { tagPlace, taggedResources } from "./tagged-resource.ts";

/** How many resources one request may tag: it is one transaction. */
const mostResources = transactionLimits.entries;

interface DescribedTag {
  readonly id: string;
  readonly type: ResourceType;
  readonly key: string;
  readonly value: string;
  /** The same, for `tag:KEY`. */
  readonly tags: Tags;
}

export const tagOperations = {
  CreateTags: {
    resolve({ Resources: ids, Tags: tags }, context) {
      if (tags.length === 0) throw missingParameter("TagSet");
      refuseReservedKeys(tags);
      return changeTags(ids, (before) => withTags(before, tags), context);
    },
    answer: () => ({}),
  },

  /** All tags of the resources, or those named: with any value, or only with the one given. */
  DeleteTags: {
    resolve({ Resources: ids, Tags: tags }, context) {
      refuseReservedKeys(tags);
      return changeTags(ids, (before) => withoutTags(before, tags), context);
    },
    answer: () => ({}),
  },

  DescribeTags: {
    resolve(input, { records }) {
      const all = taggedResources(records).flatMap(({ id, type, tags }) =>
        Object.entries(tags).map(([key, value]): DescribedTag => ({
          id,
          type,
          key,
          value,
          tags: { [key]: value },
        })),
      );
      const matching = filtered(all, input.Filters, {
        key: (it) => it.key,
        "resource-id": (it) => it.id,
        "resource-type": (it) => it.type,
        value: (it) => it.value,
      });
      const order = ({ id, key }: DescribedTag) => `${id} ${key}`;
      const sorted = matching.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
      return { touches: [], ...page(sorted, order, input) };
    },
    answer: ({ items, nextToken }: { items: readonly DescribedTag[]; nextToken: string | undefined }) => ({
      Tags: items.map(({ id, type, key, value }) => ({
        ResourceId: id,
        ResourceType: type,
        Key: key,
        Value: value,
      })),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

/** All resources or none. Several of them may be kept in one record, as a group's rules are. */
function changeTags(
  ids: readonly string[],
  change: (tags: Tags) => Tags,
  { records, region, accountId }: Ec2Context,
): OperationPlan {
  if (ids.length === 0) throw missingParameter("ResourceIdSet");
  const different = [...new Set(ids)];
  if (different.length > mostResources)
    throw invalidParameter(`One request may tag up to ${mostResources} resources here.`);
  const places = different.map((id) => tagPlace(id, records));
  const changed = new Map<string, ResourceRecord>();
  for (const { entry, tags, withTags: put } of places)
    changed.set(entry.key, put(changed.get(entry.key) ?? entry.value, change(tags)));
  return {
    touches: places.map(({ id, type, tags }) => ({
      arn: `arn:aws:ec2:${region}:${accountId}:${type}/${id}`,
      tags,
    })),
    transaction: {
      expect: places.map(({ entry }) => ({ at: [entry.key, entry.revision] as const })),
      put: [...changed].map(([key, value]) => ({ key, value })),
    },
  };
}
