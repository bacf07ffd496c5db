import type * as ec2 from "@aws-sdk/client-ec2";
import type { ResourceType } from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import { transactionLimits } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { invalidParameter, missingParameter, resourceNotFound } from "../errors.ts";
import { filtered } from "../filters.ts";
import { page } from "../pagination.ts";
import type { Kind } from "../records.ts";
import { withTags, type Tags } from "./tag.ts";

/** Which kind an id's prefix names, and what AWS calls that kind. */
const taggable: Readonly<Record<string, { kind: Kind; type: ResourceType }>> = {
  ami: { kind: "image", type: "image" },
  eni: { kind: "network-interface", type: "network-interface" },
  i: { kind: "instance", type: "instance" },
  key: { kind: "key-pair", type: "key-pair" },
  sg: { kind: "security-group", type: "security-group" },
  subnet: { kind: "subnet", type: "subnet" },
  vol: { kind: "volume", type: "volume" },
  vpc: { kind: "vpc", type: "vpc" },
};

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
      const { records, region, accountId } = context;
      if (ids.length === 0) throw missingParameter("ResourceIdSet");
      if (tags.length === 0) throw missingParameter("TagSet");
      const different = [...new Set(ids)];
      if (different.length > mostResources)
        throw invalidParameter(`One request may tag up to ${mostResources} resources here.`);
      const resources = different.map((id) => {
        const known = taggable[id.slice(0, id.lastIndexOf("-"))];
        const entry = known && records.entry(known.kind, id);
        if (!entry || !("tags" in entry.value)) throw resourceNotFound(id);
        return { id, type: known.type, entry };
      });
      return {
        touches: resources.map(({ id, type }) => ({
          arn: `arn:aws:ec2:${region}:${accountId}:${type}/${id}`,
        })),
        transaction: {
          expect: resources.map(({ entry }) => ({ at: [entry.key, entry.revision] as const })),
          put: resources.map(({ entry: { key, value } }) => ({
            key,
            value: { ...value, tags: withTags(value.tags, tags) },
          })),
        },
      };
    },
    answer: () => ({}),
  },

  DescribeTags: {
    resolve(input, { records }) {
      const all = Object.values(taggable).flatMap(({ kind, type }) =>
        records.all(kind).flatMap(({ id, tags }) =>
          Object.entries(tags).map(([key, value]): DescribedTag => ({
            id,
            type,
            key,
            value,
            tags: { [key]: value },
          })),
        ),
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
