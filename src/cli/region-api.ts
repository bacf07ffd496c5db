import { signRequest } from "#auth/sign-request.ts";
import { readCredentials } from "#setup/credentials.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { Refusal } from "./command.ts";

/** Calls one EC2 operation of the region at `dataDir`, as the account's own key, and answers the XML. Throws `Refusal`. */
export const callEc2 = async (
  dataDir: string,
  action: string,
  parameters: Readonly<Record<string, string>>,
): Promise<string> => {
  const { region, port } = requireSettings(dataDir);
  const host = `127.0.0.1:${port}`;
  const body = new URLSearchParams({ Action: action, Version: "2016-11-15", ...parameters }).toString();
  const headers = signRequest(
    {
      method: "POST",
      path: "/",
      headers: { host, "content-type": "application/x-www-form-urlencoded" },
      body,
    },
    { credentials: readCredentials(dataDir), region, service: "ec2", date: new Date() },
  );
  const response = await fetch(`http://${host}/`, { method: "POST", headers, body }).catch(() => undefined);
  if (!response) throw new Refusal(`the region's API at ${host} does not answer: croft start first`, 1);
  const xml = await response.text();
  if (!response.ok)
    throw new Refusal(`${action}: ${valuesOf("Message", xml)[0] ?? `HTTP ${response.status}`}`, 1);
  return xml;
};

/** What stands in the elements of this name that hold plain text, each once. */
export const valuesOf = (element: string, xml: string): string[] => [
  ...new Set(
    [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, "g"))].map(([, text = ""]) => text),
  ),
];
