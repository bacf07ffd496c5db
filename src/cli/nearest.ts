/** The known word that was probably meant: the start of one, or at most two slips away from one. */
export const nearest = (word: string, known: readonly string[]): string | undefined => {
  const begun = word.length > 1 && known.find((candidate) => candidate.startsWith(word));
  if (begun) return begun;
  const [best] = known
    .map((candidate) => ({ candidate, slips: slips(word, candidate) }))
    .toSorted((a, b) => a.slips - b.slips);
  return best && best.slips <= 2 ? best.candidate : undefined;
};

/** Levenshtein's distance. */
const slips = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [at, letter] of from.split("").entries()) {
    const next = [at + 1];
    for (const [column, other] of to.split("").entries()) {
      const substituted = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(substituted, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
};
