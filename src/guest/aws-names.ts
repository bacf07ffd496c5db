/** Where guests find the region's API; beside the other services' addresses, and none that AWS uses (.123, .249 to .254). */
export const apiAddress = "169.254.169.240";

/** What a name of AWS's own stands for in a network: the region's API, a public address of an instance, or nothing. */
export type AwsName =
  | { readonly is: "api" }
  | { readonly is: "instance"; readonly address: string }
  | { readonly is: "nothing" };

/**
 * Undefined: no name of AWS's. All that AWS's clients look for its services under is the region's API, also what it does not serve:
 * a guest is told so there, and not let through to the real AWS. `realAws`: only what the region serves.
 * AWS, "Service endpoints and quotas"; "DNS attributes for your VPC".
 */
export const awsName = (name: string, { realAws }: { readonly realAws: boolean }): AwsName | undefined => {
  const domain = domains.find((it) => name === it || name.endsWith(`.${it}`));
  if (domain === undefined) return undefined;
  if (isInstances(name)) {
    const address = /^ec2-(\d{1,3}-\d{1,3}-\d{1,3}-\d{1,3})\./.exec(name)?.[1]?.replaceAll("-", ".");
    return address === undefined ? { is: "nothing" } : { is: "instance", address };
  }
  return !realAws || isServed(name, domain) ? { is: "api" } : undefined;
};

/** The last two: endpoints that answer by IPv6 as well. */
const domains = ["amazonaws.com", "amazonaws.com.cn", "api.aws", "api.amazonwebservices.com.cn"];

/** The endpoints of what the region serves (`region-api.ts`). */
export const servedEndpoints: readonly string[] = [
  "dlm",
  "ebs",
  "ec2",
  "iam",
  "kms",
  "rbin",
  "ssm",
  "servicequotas",
  "sts",
];

const isServed = (name: string, domain: string): boolean => {
  const [service = "", ...region] = name.slice(0, -domain.length - 1).split(".");
  return region.length <= 1 && servedEndpoints.includes(service.replace(/-fips$/, ""));
};

const isInstances = (name: string): boolean => /(^|\.)compute(-1)?\.amazonaws\.com(\.cn)?$/.test(name);
