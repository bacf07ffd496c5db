import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import { clientTokenClaim, modificationClaims, modificationTokens, once } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import {
  duplicateLaunchTemplate,
  invalidLaunchTemplateName,
  launchTemplateIdNotFound,
  launchTemplateNameNotFound,
  missingParameter,
  unsupportedParameter,
} from "../errors.ts";
import { onlyTags, tagsFor } from "../tag/tag.ts";
import { findLaunchTemplate, findVersion } from "./find-launch-template.ts";
import { checkedData, checkedDescription } from "./launch-template-data.ts";
import {
  describeLaunchTemplate,
  launchTemplateArn,
  launchTemplateFilters,
  launchTemplateNameClaim,
  type LaunchTemplateRecord,
  type LaunchTemplateVersionRecord,
} from "./launch-template.ts";

export const launchTemplateOperations = {
  CreateLaunchTemplate: {
    resolve(input, context) {
      const { records, newId } = context;
      return once("CreateLaunchTemplate", input, context, () => {
        if (input.Operator !== undefined) throw unsupportedParameter("Operator");
        const name = checkedName(input.LaunchTemplateName);
        onlyTags(["launch-template"], input.TagSpecifications);
        const clientToken = input.ClientToken ?? "";
        const createdAt = context.now().toISOString();
        const template: LaunchTemplateRecord = {
          id: newId("lt"),
          name,
          defaultVersion: 1,
          latestVersion: 1,
          lastNumber: 1,
          clientToken,
          tags: tagsFor("launch-template", input.TagSpecifications),
          createdAt,
        };
        const version: LaunchTemplateVersionRecord = {
          id: `${template.id}/1`,
          templateId: template.id,
          number: 1,
          ...checkedDescription(input.VersionDescription),
          data: checkedData(input.LaunchTemplateData),
          clientToken: "",
          tags: {},
          createdAt,
        };
        const claim = records.key("claim", launchTemplateNameClaim(name));
        if (records.claimed(launchTemplateNameClaim(name)) !== undefined) throw duplicateLaunchTemplate();
        return {
          touches: [{ arn: launchTemplateArn(template.id, context), tags: template.tags }],
          transaction: {
            expect: [{ absent: claim }],
            put: [
              { key: claim, value: template.id },
              { key: records.key("launch-template", template.id), value: template },
              { key: records.key("launch-template-version", version.id), value: version },
            ],
          },
          made: template.id,
        };
      });
    },
    answer: ({ made: id }: { made: string }, context) => ({
      LaunchTemplate: describeLaunchTemplate(
        findLaunchTemplate({ LaunchTemplateId: id }, context).value,
        context,
      ),
    }),
  },

  /** Says which version is the default; there is nothing else to modify. Saying it again changes nothing. */
  ModifyLaunchTemplate: {
    resolve(input, context) {
      const { key, revision, value: template } = findLaunchTemplate(input, context);
      return once("ModifyLaunchTemplate", input, context, () => {
        if (input.DefaultVersion === undefined) throw missingParameter("SetDefaultVersion");
        const { number } = findVersion(template, input.DefaultVersion, context);
        const { modifiedBy, delete: forgotten } = modificationTokens(
          "ModifyLaunchTemplate",
          input.ClientToken,
          template.modifiedBy,
          context.records,
        );
        const value: LaunchTemplateRecord = { ...template, defaultVersion: number, modifiedBy };
        return {
          touches: [{ arn: launchTemplateArn(template.id, context), tags: template.tags }],
          transaction: {
            expect: [{ at: [key, revision] }],
            put: [{ key, value }],
            delete: forgotten,
          },
          made: template.id,
        };
      });
    },
    answer: ({ made: id }: { made: string }, context) => ({
      LaunchTemplate: describeLaunchTemplate(
        findLaunchTemplate({ LaunchTemplateId: id }, context).value,
        context,
      ),
    }),
  },

  /** Its versions, of which there may be many, are removed by their reconciler. */
  DeleteLaunchTemplate: {
    resolve(input, context) {
      const { key, revision, value: template } = findLaunchTemplate(input, context);
      const claims = [
        launchTemplateNameClaim(template.name),
        ...(template.clientToken === ""
          ? []
          : [clientTokenClaim("CreateLaunchTemplate", template.clientToken)]),
      ];
      return {
        touches: [{ arn: launchTemplateArn(template.id, context), tags: template.tags }],
        transaction: {
          expect: [{ at: [key, revision] }],
          delete: [
            key,
            ...claims.map((name) => context.records.key("claim", name)),
            ...modificationClaims("ModifyLaunchTemplate", template.modifiedBy, context.records),
          ],
        },
        template,
      };
    },
    answer: ({ template }: { template: LaunchTemplateRecord }, context) => ({
      LaunchTemplate: describeLaunchTemplate(template, context),
    }),
  },

  DescribeLaunchTemplates: {
    resolve(input, context) {
      const { records } = context;
      const named = (input.LaunchTemplateNames ?? []).map((name) => {
        const id = records.claimed(launchTemplateNameClaim(name));
        if (id === undefined) throw launchTemplateNameNotFound(name);
        return id;
      });
      return describe(records.all("launch-template"), input, {
        ids: [...(input.LaunchTemplateIds ?? []), ...named],
        parameter: "launchTemplateIds",
        missing: launchTemplateIdNotFound,
        filters: launchTemplateFilters,
        bounds: { min: 1, max: 200 },
      });
    },
    answer: (
      { items, nextToken }: { items: readonly LaunchTemplateRecord[]; nextToken?: string },
      context,
    ) => ({
      LaunchTemplates: items.map((template) => describeLaunchTemplate(template, context)),
      NextToken: nextToken,
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function checkedName(name: string): string {
  if (!/^[a-zA-Z0-9()./_-]{3,128}$/.test(name)) throw invalidLaunchTemplateName();
  return name;
}
