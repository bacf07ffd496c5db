/**
 * AWS's commercial regions, and whether an account has to opt into each. Follows "AWS Regions" of the account guide.
 * Each is served here, so those to opt into are opted into.
 */
const commercial = {
  "opt-in-not-required": [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
  ],
  "opted-in": [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
  ],
} as const;

export interface Region {
  readonly name: string;
  readonly endpoint: string;
  readonly optInStatus: keyof typeof commercial;
}

const region = (name: string, optInStatus: Region["optInStatus"]): Region => ({
  name,
  endpoint: `ec2.${name}.amazonaws.com`,
  optInStatus,
});

const byName = new Map(
  (["opt-in-not-required", "opted-in"] as const).flatMap((optInStatus) =>
    commercial[optInStatus].map((name) => [name as string, region(name, optInStatus)] as const),
  ),
);

/** Those of AWS, and `home`, which may have a name of its own; in the order of their names. */
export const regionsWith = (home: string): readonly Region[] =>
  (byName.has(home)
    ? [...byName.values()]
    : [...byName.values(), region(home, "opt-in-not-required")]
  ).toSorted((a, b) => (a.name < b.name ? -1 : 1));

export const isRegion = (name: string, home: string): boolean => name === home || byName.has(name);
