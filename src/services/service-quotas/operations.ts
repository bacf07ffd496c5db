import type * as serviceQuotas from "@aws-sdk/client-service-quotas";
import { ApiError } from "#api/error.ts";
import type { OperationsOf } from "#api/operation.ts";
import { quotas, type Quota } from "../ec2/quotas.ts";
import type { Scope } from "../ec2/records.ts";

const serviceNames = {
  ec2: "Amazon Elastic Compute Cloud (Amazon EC2)",
  vpc: "Amazon Virtual Private Cloud (Amazon VPC)",
} as const satisfies Record<Quota["service"], string>;

interface Asked {
  readonly ServiceCode: string;
  readonly QuotaCode: string;
}
interface PageInput {
  readonly MaxResults?: number | undefined;
  readonly NextToken?: string | undefined;
}
interface QuotaPage {
  readonly items: readonly Quota[];
  readonly next: string | undefined;
}

/** Every Service Quotas operation that Croft serves: reads of the numbers it enforces, which are AWS's defaults and stay. */
export const serviceQuotasOperations = {
  ListServices: {
    resolve: (input) => ({
      touches: [],
      ...page(Object.entries(serviceNames), input),
    }),
    answer: ({ items, next }: { items: [string, string][]; next?: string }) => ({
      Services: items.map(([ServiceCode, ServiceName]) => ({ ServiceCode, ServiceName })),
      NextToken: next,
    }),
  },

  ListServiceQuotas: {
    resolve: (input) => ({
      touches: [],
      ...page(
        quotasOf(input.ServiceCode).filter(
          ({ code }) => input.QuotaCode === undefined || code === input.QuotaCode,
        ),
        input,
      ),
    }),
    answer: ({ items, next }: QuotaPage, { accountId, region }) => ({
      Quotas: items.map((it) => described(it, region, accountId)),
      NextToken: next,
    }),
  },

  ListAWSDefaultServiceQuotas: {
    resolve: (input) => ({ touches: [], ...page(quotasOf(input.ServiceCode), input) }),
    answer: ({ items, next }: QuotaPage, { region }) => ({
      Quotas: items.map((it) => described(it, region)),
      NextToken: next,
    }),
  },

  GetServiceQuota: {
    resolve: (input) => ({ touches: [], quota: quotaOf(input) }),
    answer: ({ quota }: { quota: Quota }, { accountId, region }) => ({
      Quota: described(quota, region, accountId),
    }),
  },

  GetAWSDefaultServiceQuota: {
    resolve: (input) => ({ touches: [], quota: quotaOf(input) }),
    answer: ({ quota }: { quota: Quota }, { region }) => ({ Quota: described(quota, region) }),
  },
} satisfies OperationsOf<typeof serviceQuotas, Scope>;

/** AWS's defaults belong to no account. */
const described = ({ service, code, name, value }: Quota, region: string, accountId = "") => ({
  ServiceCode: service,
  ServiceName: serviceNames[service],
  QuotaArn: `arn:aws:servicequotas:${region}:${accountId}:${service}/${code}`,
  QuotaCode: code,
  QuotaName: name,
  Value: value,
  Unit: "None",
  Adjustable: false,
  GlobalQuota: false,
});

function quotasOf(service: string): Quota[] {
  if (!Object.hasOwn(serviceNames, service)) throw noSuchResource();
  return Object.values<Quota>(quotas)
    .filter((it) => it.service === service)
    .toSorted((a, b) => (a.code < b.code ? -1 : 1));
}

function quotaOf({ ServiceCode, QuotaCode }: Asked): Quota {
  const quota = quotasOf(ServiceCode).find(({ code }) => code === QuotaCode);
  if (!quota) throw noSuchResource();
  return quota;
}

/** The token is how many came before. */
function page<Item>(all: readonly Item[], { MaxResults: most = 100, NextToken: token = "0" }: PageInput) {
  const begin = Number(token);
  if (!/^\d{1,6}$/.test(token) || begin > all.length)
    throw new ApiError("InvalidPaginationTokenException", "The pagination token is not valid.");
  const end = begin + most;
  return { items: all.slice(begin, end), next: end < all.length ? String(end) : undefined };
}

const noSuchResource = () =>
  new ApiError("NoSuchResourceException", "The request failed because the specified quota does not exist.");
