import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { text as textOf } from "node:stream/consumers";
import { rootCertificates } from "node:tls";
import { signRequest } from "#auth/sign-request.ts";
import { apiEndpoint } from "#setup/api-endpoint.ts";
import { readCredentials } from "#setup/credentials.ts";
import { requireSettings } from "#setup/region-settings.ts";
import { Refusal } from "./command.ts";

/** Calls one EC2 operation of the region at `dataDir`, as the account's own key, and answers the XML. Throws `Refusal`. */
export const callEc2 = async (
  dataDir: string,
  action: string,
  parameters: Readonly<Record<string, string>>,
): Promise<string> => {
  const body = new URLSearchParams({ Action: action, Version: "2016-11-15", ...parameters }).toString();
  const answer = await call(dataDir, "ec2", { "content-type": "application/x-www-form-urlencoded" }, body);
  if (answer.status !== 200)
    throw new Refusal(`${action}: ${valuesOf("Message", answer.body)[0] ?? `HTTP ${answer.status}`}`, 1);
  return answer.body;
};

/** The same of an operation on accounts: `input` and the answer are what JSON holds. */
export const callCroft = async (dataDir: string, operation: string, input: object): Promise<unknown> => {
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": `Croft.${operation}` };
  const answer = await call(dataDir, "croft", headers, JSON.stringify(input));
  const output: { message?: string } = JSON.parse(answer.body);
  if (answer.status !== 200) throw new Refusal(output.message ?? `HTTP ${answer.status}`, 1);
  return output;
};

const call = async (
  dataDir: string,
  service: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<{ status: number; body: string }> => {
  const settings = requireSettings(dataDir);
  const { url, caFile } = apiEndpoint(dataDir, settings);
  const { host } = new URL(url);
  const signed = signRequest(
    { method: "POST", path: "/", headers: { host, ...headers }, body },
    { credentials: readCredentials(dataDir), region: settings.region, service, date: new Date() },
  );
  return post(url, signed, body, caFile).catch((error: unknown) => {
    throw new Refusal(`the region's API at ${host} does not answer: croft start first (${String(error)})`, 1);
  });
};

/** `caFile`: PEM of an authority to trust beside the usual ones. */
const post = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  caFile: string | undefined,
): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const ca = caFile === undefined ? {} : { ca: [...rootCertificates, readFileSync(caFile, "utf8")] };
    (url.startsWith("https:") ? https : http)
      .request(url, { method: "POST", headers, agent: false, ...ca }, (response) => {
        textOf(response).then(
          (answer) => resolve({ status: response.statusCode ?? 0, body: answer }),
          reject,
        );
      })
      .on("error", reject)
      .end(body);
  });

/** What stands in the elements of this name that hold plain text, each once. */
export const valuesOf = (element: string, xml: string): string[] => [
  ...new Set(
    [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, "g"))].map(([, text = ""]) => text),
  ),
];
