import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { describe } from "../describe.ts";
import { importTaskNotFound, importTaskOver, missingParameter } from "../errors.ts";
import {
  describeImageImport,
  describeSnapshotImport,
  findImportTask,
  importStatus,
  importTaskArn,
  importTaskFilters,
  isImageImport,
  type ImportTaskRecord,
} from "./import-task.ts";

interface TasksPlan extends OperationPlan {
  readonly items: readonly ImportTaskRecord[];
  readonly nextToken?: string;
}

export const importTaskOperations = {
  DescribeImportImageTasks: {
    resolve: (input, context): TasksPlan => tasks({ ...input, kind: (it) => isImageImport(it) }, context),
    answer: ({ items, nextToken }: TasksPlan) => ({
      ImportImageTasks: items.map(describeImageImport),
      NextToken: nextToken,
    }),
  },

  DescribeImportSnapshotTasks: {
    resolve: (input, context): TasksPlan => tasks({ ...input, kind: (it) => !isImageImport(it) }, context),
    answer: ({ items, nextToken }: TasksPlan) => ({
      ImportSnapshotTasks: items.map(describeSnapshotImport),
      NextToken: nextToken,
    }),
  },

  /** Once the bytes are there, what is made of them is not canceled any more. */
  CancelImportTask: {
    resolve({ ImportTaskId: id, CancelReason = "" }, context): OperationPlan & { task: ImportTaskRecord } {
      if (!id) throw missingParameter("importTaskId");
      const task = findImportTask(id, context.records);
      const status = importStatus(task);
      if (status !== "active" || task.so.sizesGiB)
        throw importTaskOver(id, status === "active" ? "preparing what it made" : status);
      return {
        touches: [{ arn: importTaskArn(id, context), tags: task.tags }],
        transaction: context.records.rewrite("import-task", {
          ...task,
          canceled: CancelReason.slice(0, 255),
        }),
        task,
      };
    },
    answer: ({ task }: { task: ImportTaskRecord }) => ({
      ImportTaskId: task.id,
      PreviousState: importStatus(task),
      State: "deleting",
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

function tasks(
  {
    kind,
    ImportTaskIds: ids,
    ...input
  }: {
    readonly kind: (task: ImportTaskRecord) => boolean;
    readonly ImportTaskIds?: string[] | undefined;
    readonly Filters?: ec2.Filter[] | undefined;
    readonly MaxResults?: number | undefined;
    readonly NextToken?: string | undefined;
  },
  { records }: Ec2Context,
): TasksPlan {
  return describe(records.all("import-task").filter(kind), input, {
    ids,
    parameter: "importTaskIds",
    missing: importTaskNotFound,
    filters: importTaskFilters,
    bounds: { min: 1, max: 1000 },
  });
}
