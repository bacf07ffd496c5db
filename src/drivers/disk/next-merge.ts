/** A disk, a snapshot, or one that was removed and stays for others' sake. */
export interface Layer {
  readonly id: string;
  readonly kind: "disk" | "snapshot" | "removed";
  /** The id of the snapshot that it is a difference to. */
  readonly parent?: string | undefined;
  readonly bytes: number;
}

/**
 * Which layers to merge next: each is a difference to the one before, and the last, a snapshot, is to hold what they all do and be a
 * difference to what the first is one to. First what only takes room: removed snapshots that a single other one is a difference to,
 * unless they are so much larger that it would be written again and again. Then, since each layer costs every read, of what stands on
 * more than `SHORT_CHAIN` the few neighbours that take the least, as long as that is little of what the chain takes. What `mayNot` is
 * left as it is.
 */
export const nextMerge = (
  layers: readonly Layer[],
  mayNot: (id: string) => boolean,
): readonly Layer[] | undefined => {
  const byId = new Map(layers.map((it) => [it.id, it]));
  const children = Map.groupBy(layers, ({ parent }) => parent);
  const below = ({ parent }: Layer): Layer | undefined => (parent === undefined ? parent : byId.get(parent));

  const absorbed = (last: Layer): Layer[] => {
    const run = [last];
    let under = below(last);
    while (
      under?.kind === "removed" &&
      children.get(under.id)?.length === 1 &&
      !mayNot(under.id) &&
      under.bytes <= WORTH * bytesOf(run)
    ) {
      run.unshift(under);
      under = below(under);
    }
    return run;
  };
  const snapshots = layers.filter(({ id, kind }) => kind !== "disk" && !mayNot(id));
  const [most] = snapshots.map(absorbed).toSorted((a, b) => b.length - a.length);
  if (most !== undefined && most.length > 1) return most;

  const chains = layers.map((layer) => {
    const chain: Layer[] = [];
    for (let under = below(layer); under; under = below(under)) chain.unshift(under);
    return chain;
  });
  const runs = chains
    .filter((chain) => chain.length > SHORT_CHAIN)
    .flatMap((chain) => {
      const all = chain.slice(0, 1 - FEW).map((_, first) => chain.slice(first, first + FEW));
      return all.filter((run) => bytesOf(run) <= LITTLE * bytesOf(chain));
    })
    .filter((run) => !run.some(({ id }) => mayNot(id)));
  return runs.toSorted((a, b) => bytesOf(a) - bytesOf(b))[0];
};

/** A disk or snapshot stands on as few snapshots once all is merged, if what they change allows. */
export const SHORT_CHAIN = 8;
const FEW = 4;
/** Of what a chain takes. */
const LITTLE = 1 / 8;
/** None stays longer: among so many, a few are always as little. */
export const LONGEST_CHAIN = FEW / LITTLE;
const WORTH = 2;

const bytesOf = (run: readonly Layer[]): number => run.reduce((sum, { bytes }) => sum + bytes, 0);
