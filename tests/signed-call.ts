/** Of lines such as `export NAME=value`, which `croft env` prints, as they need no quotes here. */
export const exported = (lines: string): Record<string, string> =>
  Object.fromEntries(
    [...lines.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );

/** curl's arguments for a call of EC2. `environment`: what `croft env` exports; `fields`: "Action=…" and so on. */
export const signedCall = (
  environment: Readonly<Record<string, string>>,
  fields: readonly string[],
): string[] => [
  "-sS",
  "--aws-sigv4",
  `aws:amz:${environment["AWS_REGION"]}:ec2`,
  "--user",
  `${environment["AWS_ACCESS_KEY_ID"]}:${environment["AWS_SECRET_ACCESS_KEY"]}`,
  ...["Version=2016-11-15", ...fields].flatMap((field) => ["--data", field]),
  environment["AWS_ENDPOINT_URL"] ?? "",
];
