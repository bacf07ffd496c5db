import type * as kms from "@aws-sdk/client-kms";
import type { OperationsOf } from "#api/operation.ts";
import type { KmsContext } from "./context.ts";
import { changing } from "./key-operations.ts";
import { findOwnKeyById } from "./key-name.ts";
import { page, type Page } from "./page.ts";
import { requestedTags, withoutTags, withTags } from "./tags.ts";
import { touchedKey } from "./touched-key.ts";

export const tagOperations = {
  TagResource: {
    resolve({ KeyId: id, Tags: tags }, context) {
      const tagged = findOwnKeyById(id, context);
      const more = withTags(tagged.tags, tags);
      return changing(tagged, (key) => ({ ...key, tags: more }), context, requestedTags(tags));
    },
    answer: () => ({}),
  },

  UntagResource: {
    resolve: ({ KeyId: id, TagKeys: keys }, context) =>
      changing(
        findOwnKeyById(id, context),
        (key) => ({ ...key, tags: withoutTags(key.tags, keys) }),
        context,
        { "aws:TagKeys": keys },
      ),
    answer: () => ({}),
  },

  ListResourceTags: {
    resolve(input, context) {
      const key = findOwnKeyById(input.KeyId, context);
      return {
        touches: [touchedKey({ key }, {}, context)],
        page: page(Object.entries(key.tags), ([name]) => name, input, 50),
      };
    },
    answer: ({ page: { items, truncation } }: { page: Page<[string, string]> }) => ({
      Tags: items.map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
      ...truncation,
    }),
  },
} satisfies OperationsOf<typeof kms, KmsContext>;
