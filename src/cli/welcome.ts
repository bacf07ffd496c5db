import { relative } from "node:path";
import type { Credentials } from "#auth/sign-request.ts";
import { defaults } from "#config.ts";
import type { RegionSettings } from "#config.ts";
import { apiEndpoint } from "#setup/api-endpoint.ts";
import { croftCommand, croftVersion } from "#checkout.ts";
import { exportLines } from "./export-lines.ts";
import { clientVariables } from "./region-environment.ts";
import type { Health } from "./supervise/health.ts";

export interface Welcome {
  readonly dataDir: string;
  readonly settings: RegionSettings;
  readonly health: Health;
  /** The default image's name. */
  readonly image: string;
}

/** What `croft start` prints when the region answers. The last line is the one scripts wait for. */
export const welcome = ({ dataDir, settings, health, image }: Welcome): string => {
  const { url: api } = apiEndpoint(dataDir, settings);
  const croft = relative(process.cwd(), croftCommand).startsWith("..")
    ? croftCommand
    : relative(process.cwd(), croftCommand);
  const at = dataDir === defaults.dataDir ? "" : ` --data-dir ${dataDir}`;
  const images = health.images?.map(({ id, name }) => `${id} ${name}`) ?? [image];
  return [
    `Croft ${health.version ?? croftVersion()}, ${accelerated(health.acceleration)}`,
    "",
    `  API      ${api}`,
    `  Region   ${settings.region}, account ${settings.accountId}`,
    `  Zones    ${(health.zones ?? ["a", "b", "c"].map((zone) => settings.region + zone)).join(" ")}`,
    `  Image    ${images.join(", ")}`,
    "",
    "In another terminal:",
    "",
    `  eval "$(${croft} env${at})"`,
    `  ${croft} aws${at} ec2 describe-images`,
    "",
    `croft: ready ${api}`,
    "",
  ].join("\n");
};

/** What `croft start --machines fake` prints. `dataDir` undefined: nothing is kept. */
export const fakeWelcome = ({
  dataDir,
  settings,
  credentials,
  image,
}: {
  readonly dataDir: string | undefined;
  readonly settings: RegionSettings;
  readonly credentials: Credentials;
  readonly image: { readonly id: string; readonly name: string };
}): string => {
  const api = `http://127.0.0.1:${settings.port}`;
  return [
    `Croft ${croftVersion()}, FAKE MACHINES: instances go through all their states, but nothing runs`,
    "",
    `  API      ${api}`,
    `  Region   ${settings.region}, account ${settings.accountId}`,
    `  Image    ${image.id} ${image.name}`,
    `  Kept in  ${dataDir ?? `memory only; curl -X POST ${api}/_croft/reset gives a fresh region`}`,
    "",
    "In another terminal:",
    "",
    exportLines(clientVariables(settings, credentials, { url: api }))
      .replaceAll(/^/gm, "  ")
      .trimEnd(),
    "",
    `croft: ready ${api}`,
    "",
  ].join("\n");
};

const accelerated = (by: string | undefined): string => {
  if (by === "kvm") return "machines run on the processor (KVM)";
  if (by === "tcg") return "machines are emulated (TCG: this processor offers no KVM, so they are slower)";
  return "acceleration not known yet";
};
