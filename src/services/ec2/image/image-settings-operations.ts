import type * as ec2 from "@aws-sdk/client-ec2";
import type { ImageCriterion, ImageCriterionRequest } from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { invalidParameter, unsupportedParameter } from "../errors.ts";
import { imageSettings, type ImageSettingsRecord } from "./image-settings.ts";

export const imageSettingsOperations = {
  GetImageBlockPublicAccessState: {
    resolve: () => ({ touches: [] }),
    answer: (_, context) => ({
      ImageBlockPublicAccessState: imageSettings(context).publicAccess ?? "block-new-sharing",
      ManagedBy: "account" as const,
    }),
  },
  /** What is shared with everyone stays so. */
  EnableImageBlockPublicAccess: {
    resolve: (_, context) => changedSettings(context, ({ publicAccess: _before, ...settings }) => settings),
    answer: () => ({ ImageBlockPublicAccessState: "block-new-sharing" as const }),
  },
  DisableImageBlockPublicAccess: {
    resolve: (_, context) =>
      changedSettings(context, (settings) => ({ ...settings, publicAccess: "unblocked" })),
    answer: () => ({ ImageBlockPublicAccessState: "unblocked" as const }),
  },

  GetAllowedImagesSettings: {
    resolve: () => ({ touches: [] }),
    answer(_, context) {
      const { allowed = "disabled", criteria } = imageSettings(context);
      return { State: allowed, ImageCriteria: [...criteria], ManagedBy: "account" as const };
    },
  },
  EnableAllowedImagesSettings: {
    resolve: ({ AllowedImagesSettingsState: allowed }, context) => ({
      ...changedSettings(context, (settings) => ({ ...settings, allowed })),
      allowed,
    }),
    answer: ({ allowed }: { allowed: "enabled" | "audit-mode" }) => ({ AllowedImagesSettingsState: allowed }),
  },
  /** The criteria stay for the next time. */
  DisableAllowedImagesSettings: {
    resolve: (_, context) => changedSettings(context, ({ allowed: _before, ...settings }) => settings),
    answer: () => ({ AllowedImagesSettingsState: "disabled" as const }),
  },
  ReplaceImageCriteriaInAllowedImagesSettings: {
    resolve({ ImageCriteria = [] }, context) {
      if (ImageCriteria.length > most.criteria) throw tooMany("ImageCriteria", most.criteria);
      const criteria = ImageCriteria.map(checkedCriterion);
      return changedSettings(context, (settings) => ({ ...settings, criteria }));
    },
    answer: () => ({ ReturnValue: true }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function changedSettings(
  context: Ec2Context,
  change: (before: ImageSettingsRecord) => ImageSettingsRecord,
): OperationPlan {
  const { records } = context;
  const settings = change(imageSettings(context));
  const key = records.key("image-settings", settings.id);
  const first = { expect: [{ absent: key }], put: [{ key, value: settings }] };
  return {
    touches: [],
    transaction: records.entry("image-settings", settings.id)
      ? records.rewrite("image-settings", settings)
      : first,
  };
}

/** Of https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ImageCriterionRequest.html. */
const most = { criteria: 10, providers: 200, names: 50, products: 50 } as const;
const tooMany = (name: string, limit: number) =>
  invalidParameter(`The number of values for ${name} exceeds the limit of ${limit}.`);

function checkedCriterion(criterion: ImageCriterionRequest): ImageCriterion {
  const { ImageProviders: providers = [], ImageNames: names = [] } = criterion;
  const { MarketplaceProductCodes: products = [], ImageWatermarks, ScanResultCondition } = criterion;
  if (ImageWatermarks?.length) throw unsupportedParameter("ImageWatermarks");
  if (ScanResultCondition) throw unsupportedParameter("ScanResultCondition");
  if (providers.length > most.providers) throw tooMany("ImageProviders", most.providers);
  if (names.length > most.names) throw tooMany("ImageNames", most.names);
  if (products.length > most.products) throw tooMany("MarketplaceProductCodes", most.products);
  const provider = providers.find((it) => !isProvider.test(it));
  if (provider !== undefined || (providers.includes("none") && providers.length > 1))
    throw invalidParameter(`Value (${provider ?? "none"}) for parameter ImageProviders is invalid.`);
  const name = names.find((it) => !isName.test(it) || (it.includes("?") && it.length < 3));
  if (name !== undefined) throw invalidParameter(`Value (${name}) for parameter ImageNames is invalid.`);
  const product = products.find((it) => !/^[A-Za-z0-9]{1,25}$/.test(it));
  if (product !== undefined)
    throw invalidParameter(`Value (${product}) for parameter MarketplaceProductCodes is invalid.`);
  return criterion;
}

const isProvider = /^(amazon|aws-marketplace|aws-backup-vault|none|\d{12})$/;
const isName = /^[\w ()[\]./\-'@*?]{1,128}$/;
