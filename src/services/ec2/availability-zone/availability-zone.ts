/** The zones of a region: three, each with its id (`use1-az1`). One host serves them all. */
export const zonesOf = (region: string) =>
  zoneLetters.map((letter, n) => ({ name: `${region}${letter}`, id: `${shortName(region)}-az${n + 1}` }));

export const zoneLetters = ["a", "b", "c"] as const;

/** Of a zone of the region. */
export function zoneId(region: string, name: string): string | undefined {
  const n = zoneLetters.findIndex((letter) => name === region + letter);
  return n < 0 ? undefined : `${shortName(region)}-az${n + 1}`;
}

/** AWS's abbreviation in zone ids: us-east-1 → use1, ap-southeast-2 → apse2. */
function shortName(region: string): string {
  const parts = region.split("-");
  const number = parts.at(-1) ?? "";
  const direction = (parts.at(-2) ?? "").replaceAll(/(north|south|east|west|central)/g, (word) =>
    word.charAt(0),
  );
  return `${parts.slice(0, -2).join("").replace("gov", "g")}${direction}${number}`;
}
