import { Rbin, type CreateRuleRequest, type RbinClientConfig, type ResourceTag } from "@aws-sdk/client-rbin";

/** What the package on the registry, of March 2024, knows of a new rule, and what it does not. */
export type RuleRequest = CreateRuleRequest & { readonly ExcludeResourceTags?: readonly ResourceTag[] };

/** The SDK's client, sending exclusion tags too. */
export function rbinClient(config: RbinClientConfig): Rbin {
  const rbin = new Rbin(config);
  rbin.middlewareStack.add(
    (next) => (args) => {
      const { ExcludeResourceTags } = args.input as Partial<RuleRequest>;
      const request = args.request as { body?: string };
      if (ExcludeResourceTags)
        request.body = JSON.stringify({ ...JSON.parse(request.body ?? "{}"), ExcludeResourceTags });
      return next(args);
    },
    { step: "build", priority: "high" },
  );
  return rbin;
}
