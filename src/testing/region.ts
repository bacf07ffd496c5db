import type { TestContext } from "node:test";
import { EC2, type EC2ClientConfig } from "@aws-sdk/client-ec2";
import type { AuthorisedCall } from "#api/authorisation.ts";
import { apiChain } from "#api/chain.ts";
import { tokenBuckets } from "#api/throttle.ts";
import { signRequest } from "#auth/sign-request.ts";
import { verifySignature } from "#auth/verify-signature.ts";
import { systemClock, type Clock } from "#clock.ts";
import { createFakeDisks } from "#drivers/disk/fake/fake-disks.ts";
import { createFakePassingKeys } from "#drivers/fake-passing-keys.ts";
import { createFakeMachines, type FakeOptions } from "#drivers/machine/fake/fake-machines.ts";
import { createFakeNetworks } from "#drivers/network/fake/fake-networks.ts";
import type { GuestNetwork } from "#guest/guest-snapshot.ts";
import { listen } from "#http/http-server.ts";
import { createFakeExports } from "#images/fake-exports.ts";
import { createFakeImports } from "#images/fake-imports.ts";
import { loadApiParts, servicesOf } from "#region-api.ts";
import { runReconcilers } from "#reconcile/loop.ts";
import { workClock } from "#reconcile/work-clock.ts";
import { blockTokenKey } from "#services/ebs/context.ts";
import { newId, random } from "#services/ec2/chance.ts";
import type { Ec2Context } from "#services/ec2/context.ts";
import { hostReconcilers } from "#services/ec2/host-reconcilers.ts";
import type { ProvidedImage } from "#services/ec2/image/image.ts";
import type { SignIdentity } from "#services/ec2/instance/identity-signature.ts";
import type { InstanceHost } from "#services/ec2/instance/instance-reconciler.ts";
import { instanceRoles } from "#services/ec2/instance/instance-roles.ts";
import { LaunchQueue } from "#services/ec2/instance/launch-queue.ts";
import { machineSpec } from "#services/ec2/instance/machine-spec.ts";
import type { Ec2Records } from "#services/ec2/records.ts";
import { regionContexts } from "#services/ec2/region/region-contexts.ts";
import { isRegion } from "#services/ec2/region/region.ts";
import { regionalRecords } from "#services/ec2/regional-records.ts";
import { Accounts } from "#services/iam/accounts.ts";
import { authorisation } from "#services/iam/authorise.ts";
import { iamContexts } from "#services/iam/context.ts";
import { IssuerKeys } from "#services/iam/issuer-keys.ts";
import { notedUse } from "#services/iam/last-used.ts";
import { unnamedTypes } from "#services/iam/reference.ts";
import { accountKeys } from "#services/iam/sign-in.ts";
import { hostLease, type HostRecord } from "#services/host/host.ts";
import { openDataKey } from "#services/ec2/volume/encryption.ts";
import { kmsContexts } from "#services/kms/context.ts";
import { keepKeys } from "#services/kms/key-keeper.ts";
import { KmsRecords } from "#services/kms/records.ts";
import { startFeed } from "#store/feed.ts";
import { unknownService } from "#wire/wire-service.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";

const scope = { accountId: "111122223333", region: "eu-central-1" };
const credentials = { accessKeyId: "AKIATEST", secretAccessKey: "secret" };

export const testImage: ProvidedImage = {
  id: "ami-0aaaaaaaaaaaaaaaa",
  name: "debian-12-amd64-20260101",
  description: "",
  architecture: "x86_64",
  snapshotId: "snap-0aaaaaaaaaaaaaaaa",
  sizeGiB: 8,
  rootDevice: "/dev/xvda",
  cacheEntry: "baked",
  tags: {},
  createdAt: "2026-01-01T00:00:00.000Z",
};

/** What instances are told to trust: the form of a certificate, and none. */
export const testAuthority = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";

export const testHost: HostRecord = {
  id: "host-1",
  zones: ["a", "b", "c"],
  cpus: 2,
  memoryMiB: 65_536,
  architecture: "x86_64",
  acceleration: { kind: "tcg", reason: "a test" },
  launches: { starting: [], waiting: [] },
  tags: {},
  createdAt: testImage.createdAt,
};

/** What an operation is given that a test calls by itself. */
export const testContext = (records: Ec2Records, clock: Pick<Clock, "now"> = systemClock): Ec2Context => ({
  ...scope,
  records,
  newId,
  random,
  now: () => clock.now(),
  publicPool: "198.18.0.0/16",
  homeRegion: scope.region,
});

/** The host is there, and stays. */
export const testLease = {
  key: `lease/${hostLease.name(testHost.id)}`,
  value: { until: "9999-01-01T00:00:00Z" },
};

export interface TestRegionOptions extends FakeOptions {
  /** What the one host has for instances. */
  readonly memoryMiB?: number;
  readonly launchSlots?: number;
  readonly publicPool?: string;
  /** Absent: it has. */
  readonly hasBuckets?: boolean;
  readonly signIdentity?: SignIdentity;
  /** Networks beside the internet in which OIDC providers may be. */
  readonly issuerFrom?: readonly string[];
  /** By which instances' credentials are renewed, KMS keys rotated and removed, and lifecycle policies served; default: this host's. */
  readonly now?: () => Date;
  /** Absent: that the root's key is used is not written down, so the revision tells what a call of its has written. */
  readonly notesRoot?: boolean;
  /** How long something has been worked on, which decides when it is given up; absent: by this machine's clock. */
  readonly worked?: InstanceHost["worked"];
  /** Whose time fills the buckets of calls; absent: calls are not throttled. */
  readonly throttledBy?: Clock;
}

/** A whole region in this process, with fake drivers: the real chain, store, wire and reconcilers, called by the SDK. */
export async function testRegion(t: Pick<TestContext, "after">, options: TestRegionOptions = {}) {
  const ending = new AbortController();
  const store = openMemoryStore();
  const feed = await startFeed(store, ending.signal);
  const regions = regionalRecords(feed);
  const records = regions.in(scope);
  const shared = {
    homeRegion: scope.region,
    hasBuckets: options.hasBuckets ?? true,
    publicPool: options.publicPool ?? "198.18.0.0/16",
    newId,
    random,
    now: () => systemClock.now(),
  };
  const contextIn = regionContexts({ home: scope, store, feed, regions, shared });
  await contextIn(scope.region, scope);
  const host: HostRecord = { ...testHost, memoryMiB: options.memoryMiB ?? testHost.memoryMiB };
  const { revision } = await store.commit({
    put: [
      { key: records.key("host", host.id), value: host },
      testLease,
      { key: records.key("image", testImage.id), value: testImage },
    ],
  });
  await feed.reached(revision);

  const sealingKey = Buffer.alloc(32, 7);
  const now = options.now ?? shared.now;
  const kmsRecords = new KmsRecords(feed);
  const storeKeys = createFakePassingKeys();
  const openKey = storeKeys.openBeside(openDataKey({ records: kmsRecords, sealingKey, now }));
  const accounts = new Accounts(feed, scope.accountId);
  const kms = kmsContexts({ accounts, records: kmsRecords, sealingKey, now });
  const machines = createFakeMachines({ openKey, ...options });
  const [disks, networks] = [createFakeDisks({ openKey }), createFakeNetworks()];
  const imports = createFakeImports();
  const exports = createFakeExports();
  const guests = new Map<string, GuestNetwork>();
  const queue: LaunchQueue = new LaunchQueue(options.launchSlots ?? 4, () => {
    for (const id of queue.launches.waiting.slice(0, 1)) lookAt(id);
  });
  const errors: string[] = [];
  const removedImages: string[] = [];
  const loop = runReconcilers(
    store,
    feed,
    hostReconcilers(regions, {
      hostId: host.id,
      bootId: "boot-1",
      memoryMiB: host.memoryMiB,
      machines,
      disks,
      networks,
      queue,
      guests: { set: (it) => void guests.set(it.id, it), remove: (id) => void guests.delete(id) },
      signIdentity: options.signIdentity ?? (() => ({ signature: "signed", pkcs7: "enveloped" })),
      roles: instanceRoles({ sealingKey, random, now: options.now ?? shared.now }),
      imports,
      exports,
      removeImage: async (entry) => void removedImages.push(entry),
      imageFile: (entry) => `/cache/${entry}/disk.qcow2`,
      storeKeys,
      machineSpec: (it, beside) =>
        machineSpec(it, beside, {
          disks,
          storeKeys,
          networks,
          machines,
          imageKernel: () => undefined,
          authority: testAuthority,
        }),
      lifecycle: { ...shared, now, kms },
      worked: options.worked ?? workClock(systemClock),
      now: () => systemClock.now(),
    }),
    {
      clock: systemClock,
      signal: ending.signal,
      log: ({ key, message }) => void errors.push(`${key}: ${message}`),
    },
  );
  const lookAt = (id: string) =>
    loop.nudge((regions.find("instance", id) ?? regions.find("volume", id))?.key ?? "");
  machines.onChange(lookAt);

  const issuerKeys = new IssuerKeys({
    networks: options.issuerFrom ?? [],
    monotonicMs: () => systemClock.monotonicMs(),
  });
  const iam = iamContexts({ accounts, sealingKey, rootKeyId: credentials.accessKeyId, issuerKeys });
  const findKey = accountKeys({ accounts, root: credentials, sealingKey });
  const authorise = authorisation(accounts, sealingKey);
  const noteUse = notedUse(accounts, store, (line) => void errors.push(line));

  const api = await listen({
    host: "127.0.0.1",
    port: 0,
    handle: apiChain({
      services: servicesOf(
        loadApiParts().wires,
        iam,
        contextIn,
        { snapshots: disks, tokenKey: blockTokenKey(sealingKey) },
        kms,
        regions,
      ),
      fallback: unknownService(),
      isRegion: (name) => isRegion(name, scope.region),
      home: scope,
      signIn: (request, nowMs) => verifySignature(request, request.body, findKey, nowMs),
      authorise(call) {
        refuseUnnamed(call);
        authorise(call);
      },
      store,
      feed,
      clock: systemClock,
      answered: (call) => {
        if (options.notesRoot || call.signedIn?.accessKeyId !== credentials.accessKeyId) noteUse(call);
      },
      throttle: options.throttledBy && tokenBuckets(options.throttledBy),
      log: (line) => void errors.push(line),
    }),
  });
  const clientConfig = {
    endpoint: `http://127.0.0.1:${api.port}`,
    region: scope.region,
    credentials,
    maxAttempts: 1,
  } satisfies EC2ClientConfig;
  const client = new EC2(clientConfig);
  /** An operation on accounts, by default of the first account's root. */
  async function callCroft(
    operation: string,
    input: object,
    by = credentials,
  ): Promise<Readonly<Record<string, unknown>>> {
    const headers = {
      host: `127.0.0.1:${api.port}`,
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": `Croft.${operation}`,
    };
    const body = JSON.stringify(input);
    const request = { method: "POST", path: "/", headers, body };
    const signing = { credentials: by, region: scope.region, service: "croft", date: new Date() };
    const sent = { method: "POST", headers: signRequest(request, signing), body };
    const answer = await fetch(clientConfig.endpoint, sent);
    const output: Record<string, unknown> = JSON.parse(await answer.text());
    if (!answer.ok) throw new Error(`${String(output["__type"])}: ${String(output["message"])}`);
    return output;
  }
  t.after(async () => {
    client.destroy();
    await api.close();
    ending.abort();
    await loop.stopped;
    await store.close();
  });

  return {
    client,
    clientConfig,
    store,
    feed,
    records,
    regions,
    machines,
    disks,
    imports,
    exports,
    networks,
    guests,
    queue,
    accountId: scope.accountId,
    /** What the region does to its KMS keys each minute. */
    keepKeys: () =>
      keepKeys({ store, records: kmsRecords, sealingKey, now, reached: feed.reached.bind(feed) }),
    kmsRecords,
    sealingKey,
    callCroft,
    /** Made as `croft account create` does; the client is its root's. */
    async newAccount(accountId: string): Promise<{ client: EC2; clientConfig: typeof clientConfig }> {
      const input = { Name: `account ${accountId}`, AccountId: accountId };
      const { AccessKeyId, SecretAccessKey } = await callCroft("CreateAccount", input);
      const own = { accessKeyId: String(AccessKeyId), secretAccessKey: String(SecretAccessKey) };
      const config = { ...clientConfig, credentials: own };
      const ofRoot = new EC2(config);
      t.after(() => ofRoot.destroy());
      return { client: ofRoot, clientConfig: config };
    },
    /** Cache entries whose files were removed. */
    removedImages,
    /** What the operator would have been told. */
    errors,
    /** Resolves once `holds`, looked at after each change of the store; a test's own time limit bounds it. */
    until: (holds: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = () => holds() && resolve();
        feed.onChange(look);
        look();
      }),
  };
}
export type TestRegion = Awaited<ReturnType<typeof testRegion>>;

/** What a call does must be allowed on each type of resource that AWS's reference requires: its plan has to name them. */
function refuseUnnamed(call: AuthorisedCall): void {
  if (!call.plan?.transaction && !call.plan?.costly) return;
  const unnamed = unnamedTypes(call);
  if (unnamed.length > 0) throw new Error(`${call.operation} touches no ${unnamed.join(", no ")}`);
}
