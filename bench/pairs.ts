/** What a measurement came to, in a unit of its own; for both sides of a pair the same. */
export type Measure = () => Promise<number>;

export interface PairsResult {
  /** Medians of each side. */
  readonly ours: number;
  readonly bare: number;
  /** Of ours / bare within each pair. */
  readonly ratio: number;
  /** Where the true median ratio lies, with 95 % confidence or a little more. */
  readonly interval: readonly [low: number, high: number];
}

/**
 * Measures two sides in turns, so that whatever else the machine does falls on both, and prints one line. The first pair
 * only warms up. The interval is by order statistics: it assumes nothing about how the noise is distributed.
 */
export async function comparePairs(
  name: string,
  unit: string,
  sides: { readonly ours: Measure; readonly bare: Measure },
  pairs = 11,
  other = "bare",
): Promise<PairsResult> {
  if (pairs < 6) throw new RangeError("fewer than six pairs have no 95 % interval");
  const measured: { ours: number; bare: number }[] = [];
  for (let n = 0; n <= pairs; n++) measured.push(await onePair(sides, n % 2 === 0));
  const counted = measured.slice(1);

  const ratios = counted.map(({ ours, bare }) => ours / bare).toSorted((a, b) => a - b);
  const outside = orderStatistic(pairs);
  const result: PairsResult = {
    ours: median(counted.map(({ ours }) => ours)),
    bare: median(counted.map(({ bare }) => bare)),
    ratio: median(ratios),
    interval: [ratios[outside] ?? NaN, ratios[pairs - 1 - outside] ?? NaN],
  };
  const [low, high] = result.interval.map(round);
  console.log(
    `${name}: ${round(result.ratio)} of ${other} (${low}–${high}, ${pairs} pairs); ` +
      `medians ${round(result.ours)} and ${round(result.bare)} ${unit}`,
  );
  return result;
}

async function onePair({ ours, bare }: { ours: Measure; bare: Measure }, oursFirst: boolean) {
  if (oursFirst) return { ours: await ours(), bare: await bare() };
  const first = await bare();
  return { ours: await ours(), bare: first };
}

/** How many of `n` sorted values may be left out at each end of a 95 % interval of their median. */
export function orderStatistic(n: number): number {
  let probability = 2 * 0.5 ** n; // that all lie on one side of the median, either side
  let outside = 0;
  for (let ways = n; ; ways = (ways * (n - outside)) / (outside + 1)) {
    probability += 2 * ways * 0.5 ** n;
    if (probability > 0.05) return outside;
    outside++;
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}

/** Three digits that mean something. */
export const round = (value: number) => String(Number(value.toPrecision(3)));
