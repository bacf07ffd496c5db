/** Whether an aws CLI whose `--version` printed this is older than 1.29, or 2.13, and so does not know AWS_ENDPOINT_URL. */
export const ignoresEndpointVariable = (printed: string): boolean => {
  const [, major, minor] = /^aws-cli\/(\d+)\.(\d+)\./.exec(printed) ?? [];
  if (major === undefined || minor === undefined) return false;
  const since = { "1": 29, "2": 13 }[major];
  return since !== undefined && Number(minor) < since;
};
