import type * as ec2 from "@aws-sdk/client-ec2";
import type {
  DeleteLaunchTemplateVersionsResponseErrorItem,
  DescribeLaunchTemplateVersionsRequest,
  LaunchTemplateErrorCode,
} from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import { once } from "../client-token.ts";
import type { Ec2Context } from "../context.ts";
import { invalidCombination, invalidParameter, missingParameter, unsupportedParameter } from "../errors.ts";
import { filtered } from "../filters.ts";
import { instancesOf } from "../instance/instance-change.ts";
import { touchedInstance, type InstanceRecord } from "../instance/instance.ts";
import { page } from "../pagination.ts";
import { findLaunchTemplate, findVersion, versionNumber } from "./find-launch-template.ts";
import { dataOfInstance } from "./instance-data.ts";
import { checkedData, checkedDescription } from "./launch-template-data.ts";
import {
  describeLaunchTemplateVersion,
  launchTemplateArn,
  launchTemplateVersionFilters,
  versionKeys,
  type LaunchTemplateRecord,
  type LaunchTemplateVersionRecord,
} from "./launch-template.ts";

/** Each may take a claim with it, and all go in one transaction. */
const mostDeleted = 45;

interface DeletionPlan extends OperationPlan {
  readonly template: LaunchTemplateRecord;
  readonly deleted: readonly LaunchTemplateVersionRecord[];
  readonly kept: readonly DeleteLaunchTemplateVersionsResponseErrorItem[];
}

export const launchTemplateVersionOperations = {
  /** With a source version, its parameters go on where the request gives no others. */
  CreateLaunchTemplateVersion: {
    resolve(input, context) {
      const { key, revision, value: template } = findLaunchTemplate(input, context);
      if (input.ResolveAlias) throw unsupportedParameter("ResolveAlias");
      return once("CreateLaunchTemplateVersion", input, context, () => {
        const source =
          input.SourceVersion === undefined ? undefined : findVersion(template, input.SourceVersion, context);
        const number = template.lastNumber + 1;
        const version: LaunchTemplateVersionRecord = {
          id: `${template.id}/${number}`,
          templateId: template.id,
          number,
          ...checkedDescription(input.VersionDescription),
          data: checkedData({ ...source?.data, ...input.LaunchTemplateData }),
          clientToken: input.ClientToken ?? "",
          tags: {},
          createdAt: context.now().toISOString(),
        };
        const value: LaunchTemplateRecord = { ...template, latestVersion: number, lastNumber: number };
        return {
          touches: [{ arn: launchTemplateArn(template.id, context), tags: template.tags }],
          transaction: {
            expect: [{ at: [key, revision] }],
            put: [
              { key, value },
              { key: context.records.key("launch-template-version", version.id), value: version },
            ],
          },
          made: version.id,
        };
      });
    },
    answer({ made }: { made: string }, context) {
      const [id = "", number = ""] = made.split("/");
      const { value: template } = findLaunchTemplate({ LaunchTemplateId: id }, context);
      const version = findVersion(template, number, context);
      return { LaunchTemplateVersion: describeLaunchTemplateVersion(version, template, context) };
    },
  },

  /** The default version stays: the others named go all the same. */
  DeleteLaunchTemplateVersions: {
    resolve: deleteVersions,
    answer: ({ template, deleted, kept }: DeletionPlan) => ({
      SuccessfullyDeletedLaunchTemplateVersions: deleted.map(({ number }) => ({
        LaunchTemplateId: template.id,
        LaunchTemplateName: template.name,
        VersionNumber: number,
      })),
      UnsuccessfullyDeletedLaunchTemplateVersions: [...kept],
    }),
  },

  /** Newest first. */
  DescribeLaunchTemplateVersions: {
    resolve(input, context) {
      const { records } = context;
      if (input.ResolveAlias) throw unsupportedParameter("ResolveAlias");
      const filters = launchTemplateVersionFilters((id) => records.get("launch-template", id));
      const versions = filtered(versionsFor(input, context), input.Filters, filters).toSorted((a, b) =>
        place(a) < place(b) ? -1 : 1,
      );
      return { touches: [], ...page(versions, place, input, { min: 1, max: 200 }) };
    },
    answer: (
      { items, nextToken }: { items: readonly LaunchTemplateVersionRecord[]; nextToken: string | undefined },
      context,
    ) => ({
      LaunchTemplateVersions: items.flatMap((version) => {
        const template = context.records.get("launch-template", version.templateId);
        return template ? [describeLaunchTemplateVersion(version, template, context)] : [];
      }),
      NextToken: nextToken,
    }),
  },

  GetLaunchTemplateData: {
    resolve({ InstanceId: id }, context) {
      const [instance] = instancesOf([id], context);
      return { touches: instance ? [touchedInstance(instance, context)] : [], instance };
    },
    answer: ({ instance }: { instance: InstanceRecord }, { records }) => ({
      LaunchTemplateData: dataOfInstance(instance, records),
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function deleteVersions(
  input: Parameters<typeof findLaunchTemplate>[0] & { Versions: readonly string[] },
  context: Ec2Context,
): DeletionPlan {
  const { records } = context;
  const { key, revision, value: template } = findLaunchTemplate(input, context);
  if (input.Versions.length === 0) throw missingParameter("LaunchTemplateVersion");
  if (input.Versions.length > mostDeleted)
    throw invalidParameter(`One request may delete up to ${mostDeleted} versions here.`);
  const deleted: LaunchTemplateVersionRecord[] = [];
  const kept: DeleteLaunchTemplateVersionsResponseErrorItem[] = [];
  const keep = (number: number, Code: LaunchTemplateErrorCode, Message: string) =>
    kept.push({
      LaunchTemplateId: template.id,
      LaunchTemplateName: template.name,
      VersionNumber: number,
      ResponseError: { Code, Message },
    });
  for (const text of new Set(input.Versions)) {
    const number = text.startsWith("$") ? undefined : versionNumber(template, text);
    if (number === undefined)
      throw invalidParameter(`Value (${text}) for parameter LaunchTemplateVersion is invalid.`);
    const version = records.get("launch-template-version", `${template.id}/${number}`);
    if (number === template.defaultVersion)
      keep(number, "unexpectedError", "The default version of a launch template cannot be deleted.");
    else if (version) deleted.push(version);
    else keep(number, "launchTemplateVersionDoesNotExist", `The launch template has no version ${number}.`);
  }
  const left = records.versionsOf(template.id).filter((version) => !deleted.includes(version));
  const value: LaunchTemplateRecord = { ...template, latestVersion: left.at(-1)?.number ?? 0 };
  return {
    touches: [{ arn: launchTemplateArn(template.id, context), tags: template.tags }],
    ...(deleted.length > 0 && {
      transaction: {
        expect: [{ at: [key, revision] as const }],
        put: [{ key, value }],
        delete: deleted.flatMap((version) => versionKeys(version, records)),
      },
    }),
    template,
    deleted,
    kept,
  };
}

/** Of one template those asked for; of all templates the latest or default ones. */
function versionsFor(
  input: DescribeLaunchTemplateVersionsRequest,
  context: Ec2Context,
): LaunchTemplateVersionRecord[] {
  const { records } = context;
  const wanted = input.Versions ?? [];
  if (input.LaunchTemplateId === undefined && input.LaunchTemplateName === undefined) {
    if (wanted.length === 0 || wanted.some((version) => version !== "$Latest" && version !== "$Default"))
      throw invalidParameter(
        "Without a launch template ID or name, only the versions $Latest and $Default can be described.",
      );
    const found = records
      .all("launch-template")
      .flatMap((template) => wanted.map((version) => findVersion(template, version, context)));
    return [...new Set(found)];
  }
  const { value: template } = findLaunchTemplate(input, context);
  const { MinVersion: min, MaxVersion: max } = input;
  if (wanted.length > 0) {
    if (min !== undefined || max !== undefined)
      throw invalidCombination("Versions cannot be used with MinVersion or MaxVersion.");
    return [...new Set(wanted.map((version) => findVersion(template, version, context)))];
  }
  const [from, to] = [bound(template, min) ?? 1, bound(template, max) ?? Number.POSITIVE_INFINITY];
  return records.versionsOf(template.id).filter(({ number }) => number >= from && number <= to);
}

function bound(template: LaunchTemplateRecord, version: string | undefined): number | undefined {
  if (version === undefined) return undefined;
  const number = versionNumber(template, version);
  if (number === undefined) throw invalidParameter(`Value (${version}) is not a version number.`);
  return number;
}

/** Templates by id, the versions of each newest first. */
const place = ({ templateId, number }: LaunchTemplateVersionRecord) =>
  `${templateId}/${String(1_000_000_000 - number).padStart(10, "0")}`;
