import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { invalidParameter } from "../errors.ts";
import { isPublic } from "./image.ts";
import { changedImage } from "./own-image.ts";

export const imageStateOperations = {
  /** Whom it was shared with has lost it, also when it is enabled again. */
  DisableImage: {
    resolve: ({ ImageId: id }, context) =>
      changedImage(id, context, ({ launchPermissions: _, ...image }) => ({ ...image, disabled: true })),
    answer: () => ({ Return: true }),
  },
  EnableImage: {
    resolve: ({ ImageId: id }, context) => changedImage(id, context, ({ disabled: _, ...image }) => image),
    answer: () => ({ Return: true }),
  },

  /** To the minute, as AWS rounds. */
  EnableImageDeprecation: {
    resolve: ({ ImageId: id, DeprecateAt: at }, context) =>
      changedImage(id, context, (image) => {
        const years = isPublic(image) ? most.yearsOfPublic : most.years;
        const now = context.now();
        if (at <= now) throw invalidParameter("The value for DeprecateAt must be in the future.");
        if (at.getTime() > new Date(now).setUTCFullYear(now.getUTCFullYear() + years))
          throw invalidParameter(`The value for DeprecateAt must be at most ${years} years from now.`);
        const minute = 60_000 * Math.round(at.getTime() / 60_000);
        return { ...image, deprecationTime: new Date(minute).toISOString() };
      }),
    answer: () => ({ Return: true }),
  },
  DisableImageDeprecation: {
    resolve: ({ ImageId: id }, context) =>
      changedImage(id, context, ({ deprecationTime: _, ...image }) => image),
    answer: () => ({ Return: true }),
  },

  EnableImageDeregistrationProtection: {
    resolve: ({ ImageId: id, WithCooldown: cooldown = false }, context) =>
      changedImage(id, context, (image) => ({ ...image, deregistrationProtection: { cooldown } })),
    answer: () => ({ Return: "true" }),
  },
  DisableImageDeregistrationProtection: {
    resolve: ({ ImageId: id }, context) =>
      changedImage(id, context, ({ deregistrationProtection: before, ...image }) => {
        if (!before?.cooldown) return image;
        const until = before.until ?? new Date(context.now().getTime() + cooldownMs).toISOString();
        return { ...image, deregistrationProtection: { cooldown: true, until } };
      }),
    answer: () => ({ Return: "true" }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const most = { years: 10, yearsOfPublic: 2 } as const;
const cooldownMs = 24 * 3_600_000;
