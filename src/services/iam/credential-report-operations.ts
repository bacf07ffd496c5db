import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type * as iam from "@aws-sdk/client-iam";
import { ApiError } from "#api/error.ts";
import type { OperationsOf } from "#api/operation.ts";
import { transactionLimits } from "#store/store.ts";
import type { IamContext } from "./context.ts";
import { credentialReport } from "./credential-report.ts";
import { limitExceeded } from "./errors.ts";
import type { CredentialReportRecord } from "./records.ts";

const hoursKept = 4;

export const credentialReportOperations = {
  /** Makes one, unless there is one of the last four hours. By the time of the answer it is made; it is told as begun, as AWS does. */
  GenerateCredentialReport: {
    resolve(_input, context) {
      const { records, now } = context;
      if (isFresh(reportOf(context), now())) return { touches: [], isThere: true };
      const asRead = records.asRead("iam-credential-report", "report");
      return {
        touches: [],
        async costly() {
          const generatedAt = now().toISOString();
          const packed = await pack(credentialReport(context));
          const report: CredentialReportRecord = { id: "report", generatedAt, packed };
          return records.rewrite("iam-credential-report", report, { asRead });
        },
        isThere: false,
      };
    },
    answer: ({ isThere }: { isThere: boolean }) =>
      isThere
        ? { State: "COMPLETE" as const }
        : {
            State: "STARTED" as const,
            Description: "No report exists. Starting a new report generation task",
          },
  },

  GetCredentialReport: {
    resolve(_input, context) {
      const report = reportOf(context);
      if (!report)
        throw new ApiError(
          "ReportNotPresent",
          "No report exists. Use GenerateCredentialReport to make one.",
          {
            status: 410,
          },
        );
      if (!isFresh(report, context.now()))
        throw new ApiError(
          "ReportExpired",
          "The report has expired. Use GenerateCredentialReport to make a new one.",
          { status: 410 },
        );
      return { touches: [], report };
    },
    answer: async ({ report }: { report: CredentialReportRecord }) => ({
      Content: await promisify(gunzip)(Buffer.from(report.packed, "base64")),
      ReportFormat: "text/csv" as const,
      GeneratedTime: new Date(report.generatedAt),
    }),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

const reportOf = ({ records }: IamContext) => records.get("iam-credential-report", "report");

const isFresh = (report: CredentialReportRecord | undefined, now: Date): boolean =>
  report !== undefined && now.getTime() - new Date(report.generatedAt).getTime() < hoursKept * 3_600_000;

/** Of 5,000 users it is over a megabyte; packed it fits into a record, unless their paths are long and unlike each other. */
async function pack(report: string): Promise<string> {
  const packed = (await promisify(gzip)(report)).toString("base64");
  if (packed.length > transactionLimits.bytes - 4096)
    throw limitExceeded("Cannot exceed quota for CredentialReportSize.");
  return packed;
}
