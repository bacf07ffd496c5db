/** Of lines such as `export NAME=value`, which `croft env` prints, as they need no quotes here. */
export const exported = (lines: string): Record<string, string> =>
  Object.fromEntries(
    [...lines.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );

/** curl's arguments for a call of EC2 by the region's URL, or of the service at another; no shell would change them. */
export const signedCall = (
  environment: Readonly<Record<string, string>>,
  fields: readonly string[],
  { service = "ec2", version = "2016-11-15", url = environment["AWS_ENDPOINT_URL"] ?? "" } = {},
): string[] => [
  "-sS",
  "--aws-sigv4",
  `aws:amz:${environment["AWS_REGION"]}:${service}`,
  "--user",
  `${environment["AWS_ACCESS_KEY_ID"]}:${environment["AWS_SECRET_ACCESS_KEY"]}`,
  ...(environment["AWS_SESSION_TOKEN"]
    ? ["-H", `X-Amz-Security-Token:${environment["AWS_SESSION_TOKEN"]}`]
    : []),
  ...[`Version=${version}`, ...fields].flatMap((field) => ["--data", field]),
  url,
];

/** For a guest's shell: who is calling, asked by AWS's own name of the service. */
export const whoAmI = (environment: Readonly<Record<string, string>>): string => {
  const sts = { service: "sts", version: "2011-06-15", url: "https://sts.amazonaws.com/" };
  return `curl -m 60 ${signedCall(environment, ["Action=GetCallerIdentity"], sts).join(" ")}`;
};
