import type { Feed } from "#store/feed.ts";
import { ExpectationFailed, type Store, type Transaction } from "#store/store.ts";
import type { Ec2Context } from "../context.ts";
import { isProvided, ownImages, type ProvidedImage } from "../image/image.ts";
import { imageInRegion } from "../image/provided-image.ts";
import { awsPrefixLists } from "../prefix-list/aws-prefix-lists.ts";
import { recordKey, type Scope } from "../records.ts";
import type { RegionalRecords } from "../regional-records.ts";
import { defaultVpc } from "../vpc/default-vpc.ts";

export interface RegionContextsOptions {
  /** The first account, and the region that hosts report their images to. */
  readonly home: Scope;
  readonly store: Store;
  readonly feed: Feed;
  readonly regions: RegionalRecords;
  /** What operations have in every region alike. */
  readonly shared: Omit<Ec2Context, keyof Scope | "records">;
}

/**
 * What operations are given in each account and region. The first call there writes what it has from its start: the default VPC,
 * AWS's prefix lists, and the provided images under the region's ids; images that hosts report later follow at the next call.
 */
export function regionContexts(
  options: RegionContextsOptions,
): (region: string, caller: Pick<Scope, "accountId">) => Ec2Context | Promise<Ec2Context> {
  const { home, store, feed, regions, shared } = options;
  const contexts = new Map<string, Ec2Context>();
  const complete = new Set<Ec2Context>();
  const homeImages = recordKey("image", home, "");
  feed.onChange((key) => {
    if (key.startsWith(homeImages)) complete.clear();
  });

  return (region, { accountId }) => {
    const place = `${accountId}/${region}`;
    const known = contexts.get(place);
    if (known && complete.has(known)) return known;
    const scope = { accountId, region };
    const context = known ?? { ...shared, ...scope, records: regions.in(scope) };
    contexts.set(place, context);
    return completed(context);
  };

  async function completed(context: Ec2Context): Promise<Ec2Context> {
    for (;;) {
      const lacking = lackingIn(context);
      if (!lacking) break;
      await commitUnlessBeaten(lacking);
    }
    complete.add(context);
    return context;
  }

  function lackingIn(context: Ec2Context): Transaction | undefined {
    const { accountId, region } = context;
    if (accountId === home.accountId && region === home.region) return regionStart(context, []);
    const provided = ownImages(regions.in(home)).filter(isProvided);
    const known = region === home.region ? provided : provided.map((it) => imageInRegion(it, region));
    return regionStart(context, known);
  }

  /** Another of the region's first calls may have written it already. */
  async function commitUnlessBeaten(transaction: Transaction): Promise<void> {
    try {
      await feed.reached((await store.commit(transaction)).revision);
    } catch (error) {
      if (!(error instanceof ExpectationFailed)) throw error;
      await feed.reached(error.revision);
    }
  }
}

/** What the region lacks of its start; a default VPC that was deleted since does not come back. */
function regionStart(context: Ec2Context, provided: readonly ProvidedImage[]): Transaction | undefined {
  const { records, region } = context;
  const isNew = records.claimed("region") === undefined;
  const images = provided.filter(({ id }) => !records.get("image", id));
  const lists = awsPrefixLists(context).filter(([kind, { id }]) => !records.get(kind, id));
  if (!isNew && images.length + lists.length === 0) return undefined;
  const vpc = isNew ? defaultVpc(context) : undefined;
  const opened = records.key("claim", "region");
  return {
    expect: [
      ...(isNew ? [{ absent: opened }] : []),
      ...(vpc?.expect ?? []),
      ...images.map(({ id }) => ({ absent: records.key("image", id) })),
      ...lists.map(([kind, { id }]) => ({ absent: records.key(kind, id) })),
    ],
    put: [
      ...(isNew ? [{ key: opened, value: region }] : []),
      ...(vpc?.put ?? []),
      ...images.map((image) => ({ key: records.key("image", image.id), value: image })),
      ...lists.map(([kind, list]) => ({ key: records.key(kind, list.id), value: list })),
    ],
  };
}
