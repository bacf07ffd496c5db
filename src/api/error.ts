/** A failure the caller is told about, in AWS's code and words. Anything else answers InternalError. */
export class ApiError extends Error {
  readonly code: string;
  /** HTTP status. */
  readonly status: number;
  /** What some services tell beside the code: "INVALID_BLOCK_TOKEN". */
  readonly reason: string | undefined;
  constructor(
    code: string,
    message: string,
    options: { status?: number; reason?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = code;
    this.code = code;
    this.status = options.status ?? 400;
    this.reason = options.reason;
  }
}

/** Services of AWS's JSON protocols end the codes that all services share so. */
export const exceptionSuffix = (service: string): "" | "Exception" =>
  jsonServices.has(service) ? "Exception" : "";

const jsonServices: ReadonlySet<string> = new Set([
  "dlm",
  "ebs",
  "kms",
  "rbin",
  "ssm",
  "servicequotas",
  "logs",
  "elasticfilesystem",
]);
