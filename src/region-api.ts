import type { AnsweredCall, RefusedRequest } from "./api/answered-call.ts";
import { type ChainRequest, type ServedService, apiChain, served } from "./api/chain.ts";
import type { Caller } from "./api/caller.ts";
import { callMetrics } from "./api/call-metrics.ts";
import { localAnswer } from "./api/local-answer.ts";
import { metricsAnswer } from "./api/metrics-answer.ts";
import { processMetrics } from "./api/process-metrics.ts";
import { tokenBuckets } from "./api/throttle.ts";
import type { Credentials } from "./auth/sign-request.ts";
import { verifySignature } from "./auth/verify-signature.ts";
import { croftVersion } from "./checkout.ts";
import { systemClock } from "./clock.ts";
import type { RegionSettings } from "./config.ts";
import { blockTokenKey, type EbsContext } from "./services/ebs/context.ts";
import { ec2CallRate } from "./services/ec2/call-rate.ts";
import { newId, random } from "./services/ec2/chance.ts";
import { regionContexts } from "./services/ec2/region/region-contexts.ts";
import { isRegion } from "./services/ec2/region/region.ts";
import { type RegionalRecords, regionalRecords } from "./services/ec2/regional-records.ts";
import { accountOperations } from "./services/account/account-operations.ts";
import { accountWire } from "./services/account/account-wire.ts";
import { Accounts } from "./services/iam/accounts.ts";
import { authorisation } from "./services/iam/authorise.ts";
import { iamContexts } from "./services/iam/context.ts";
import { IssuerKeys } from "./services/iam/issuer-keys.ts";
import { notedUse } from "./services/iam/last-used.ts";
import { accountKeys } from "./services/iam/sign-in.ts";
import { kmsContexts } from "./services/kms/context.ts";
import { keepKeys } from "./services/kms/key-keeper.ts";
import { KmsRecords } from "./services/kms/records.ts";
import { eachMinute } from "./services/host/each-minute.ts";
import { regionActivity } from "./services/host/region-activity.ts";
import { regionHealth } from "./services/host/region-health.ts";
import { regionMetrics } from "./services/host/region-metrics.ts";
import { withResourceKeys } from "./services/ec2/resource-keys.ts";
import { servedOperations } from "./services/operations.ts";
import { unsignedStsOperations } from "./services/sts/operations.ts";
import { type Feed, startFeed } from "./store/feed.ts";
import type { Store } from "./store/store.ts";
import type { WireAnswer } from "./wire/protocol.ts";
import { loadWireService, unknownService } from "./wire/wire-service.ts";

/** What the API reads from its checkout; a program that drops the right to do so loads it before. */
export const loadApiParts = () => ({
  wires: {
    dlm: loadWireService("dlm"),
    ebs: loadWireService("ebs"),
    ec2: loadWireService("ec2"),
    iam: loadWireService("iam"),
    kms: loadWireService("kms"),
    rbin: loadWireService("rbin"),
    ssm: loadWireService("ssm"),
    quotas: loadWireService("servicequotas"),
    sts: loadWireService("sts"),
  },
  version: croftVersion(),
});

/**
 * Every service, by the name that requests are signed for. `ec2ContextIn`: what EC2's operations are given in a region; `blocks`: the bytes of the
 * snapshots that its records name.
 */
export const servicesOf = (
  wires: ReturnType<typeof loadApiParts>["wires"],
  iamContextOf: ReturnType<typeof iamContexts>,
  ec2ContextIn: ReturnType<typeof regionContexts>,
  blocks: Pick<EbsContext, "snapshots" | "tokenKey">,
  kmsContextOf: ReturnType<typeof kmsContexts>,
  regions: RegionalRecords,
): ReadonlyMap<string, ServedService> => {
  const withKeys = async (region: string, caller: Caller) => ({
    ...(await ec2ContextIn(region, caller)),
    kms: kmsContextOf(region, caller),
  });
  return new Map([
    served(accountWire(), accountOperations, (region, caller) => ({
      ...iamContextOf(region, caller),
      regions,
      ec2ContextIn,
    })),
    served(wires.dlm, servedOperations.dlm, ec2ContextIn),
    served(
      wires.ebs,
      servedOperations.ebs,
      async (region, caller) => ({ ...(await withKeys(region, caller)), ...blocks }),
      { known: withResourceKeys },
    ),
    served(wires.ec2, servedOperations.ec2, withKeys, { callRate: ec2CallRate, known: withResourceKeys }),
    served(wires.iam, servedOperations.iam, iamContextOf),
    served(wires.kms, servedOperations.kms, kmsContextOf),
    served(wires.rbin, servedOperations.rbin, ec2ContextIn),
    served(wires.ssm, servedOperations.ssm, ec2ContextIn),
    served(wires.quotas, servedOperations.servicequotas, (region, { accountId }) => ({ accountId, region })),
    served(wires.sts, servedOperations.sts, iamContextOf, { unsigned: unsignedStsOperations }),
  ]);
};

export interface RegionApiOptions {
  readonly parts: ReturnType<typeof loadApiParts>;
  readonly store: Store;
  readonly snapshots: EbsContext["snapshots"];
  readonly settings: Omit<RegionSettings, "port">;
  readonly credentials: Credentials;
  /** 32 bytes: what users' secrets, session tokens and the material of KMS keys are sealed with. */
  readonly sealingKey: Buffer;
  readonly signal: AbortSignal;
  /** Told of every call once its answer is there. */
  readonly answered?: (call: AnsweredCall) => void;
  /** For the operator. */
  readonly log: (line: string) => void;
}

export interface RegionApi {
  readonly feed: Feed;
  readonly regions: RegionalRecords;
  readonly kms: ReturnType<typeof kmsContexts>;
  readonly answer: (request: ChainRequest) => Promise<WireAnswer>;
  /** To be told of what was refused before `answer`: it counts, and is audited, as a call. */
  readonly refused: (request: RefusedRequest) => void;
  readonly health: () => WireAnswer;
  /** `GET /_croft/metrics`, for callers on this machine. */
  readonly metrics: (request: { readonly remoteAddress: string }) => WireAnswer;
  /** `GET /_croft/status`, for callers on this machine. */
  readonly status: (request: { readonly remoteAddress: string }) => WireAnswer;
}

/**
 * The API over one store: in the region of the settings, and in every other of AWS's from its first call on. What the first
 * account has from its start is there when this resolves.
 */
export async function openRegionApi({
  parts: { wires, version },
  store,
  snapshots,
  settings: {
    accountId,
    region,
    publicPool,
    imageAliases,
    throttled,
    machines,
    issuerFrom = [],
    exportDir = "",
  },
  credentials,
  sealingKey,
  signal,
  answered,
  log,
}: RegionApiOptions): Promise<RegionApi> {
  const feed = await startFeed(store, signal);
  const home = { accountId, region };
  const regions = regionalRecords(feed);
  const shared = {
    publicPool,
    imageAliases,
    newId,
    random,
    homeRegion: region,
    // A region of fake machines has buckets of no bytes.
    hasBuckets: exportDir !== "" || machines === "fake",
    now: () => new Date(),
  };
  const contextIn = regionContexts({ home, store, feed, regions, shared });
  await contextIn(region, home);

  const accounts = new Accounts(feed, accountId);
  const issuerKeys = new IssuerKeys({ networks: issuerFrom, monotonicMs: () => systemClock.monotonicMs() });
  const iam = iamContexts({ accounts, sealingKey, rootKeyId: credentials.accessKeyId, issuerKeys });
  const now = () => systemClock.now();
  const kmsRecords = new KmsRecords(feed);
  const kms = kmsContexts({ accounts, records: kmsRecords, sealingKey, now });
  const keptKeys = { store, records: kmsRecords, sealingKey, now, reached: feed.reached.bind(feed) };
  void eachMinute("KMS keys", () => keepKeys(keptKeys), signal, log);
  const findKey = accountKeys({ accounts, root: credentials, sealingKey });
  const noteUse = notedUse(accounts, store, log);
  const calls = callMetrics();
  const noteCall = (call: AnsweredCall) => {
    calls.count(call);
    noteUse(call);
    answered?.(call);
  };
  const answer = apiChain({
    services: servicesOf(
      wires,
      iam,
      contextIn,
      { snapshots, tokenKey: blockTokenKey(sealingKey) },
      kms,
      regions,
    ),
    fallback: unknownService(),
    isRegion: (name) => isRegion(name, region),
    home,
    signIn: (request, nowMs) => verifySignature(request, request.body, findKey, nowMs),
    authorise: authorisation(accounts, sealingKey),
    store,
    feed,
    clock: systemClock,
    throttle: throttled ? tokenBuckets(systemClock) : undefined,
    answered: noteCall,
    log,
  });
  return {
    feed,
    regions,
    kms,
    answer,
    refused: (request) =>
      noteCall({ ...request, at: new Date(systemClock.now().getTime() - request.latencyMs) }),
    health: regionHealth(version, home, regions, feed, systemClock),
    metrics: metricsAnswer(() => [
      ...calls.metrics(),
      ...regionMetrics(version, feed, systemClock),
      ...processMetrics(),
    ]),
    status: localAnswer("the status is", "application/json", () =>
      JSON.stringify(regionActivity(feed, systemClock)),
    ),
  };
}
