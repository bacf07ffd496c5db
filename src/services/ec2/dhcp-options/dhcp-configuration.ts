import { isIPv6 } from "node:net";
import type { NewDhcpConfiguration } from "@aws-sdk/client-ec2";
import { invalidParameter, missingParameter } from "../errors.ts";
import { isAddress } from "../ipv4.ts";
import { amazonProvidedDns, type DhcpConfiguration } from "./dhcp-options.ts";

/** Options as CreateDhcpOptions is given them, checked. Several addresses may be one value, with commas between. */
export function dhcpConfiguration(given: readonly NewDhcpConfiguration[]): DhcpConfiguration {
  if (given.length === 0) throw missingParameter("dhcpConfiguration");
  const options = new Map<string, readonly string[]>();
  for (const { Key: key = "", Values = [] } of given) {
    const isValid = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (!isValid) throw invalid(key, "Unknown DHCP option");
    if (options.has(key)) throw invalid(key, "The option is given twice");
    const values = Values.flatMap((text) => text.split(",")).map((text) => text.trim());
    if (values.length === 0 || !isValid(values))
      throw invalidParameter(
        `Value (${Values.join()}) for parameter value is invalid. Invalid DHCP option value`,
      );
    options.set(key, values);
  }
  return Object.fromEntries(options);
}

const invalid = (key: string, why: string) =>
  invalidParameter(`Value (${key}) for parameter name is invalid. ${why}`);

/** Up to four of each kind. */
const areAddresses = (values: readonly string[]) =>
  values.every((it) => isAddress(it) || isIPv6(it)) &&
  [true, false].every((v6) => values.filter((it) => isIPv6(it) === v6).length <= 4);

const checks: Readonly<Record<string, (values: readonly string[]) => boolean>> = {
  /** Several domains may be one name, with spaces between: Linux takes them as its search list. */
  "domain-name": ([name = "", ...more]) =>
    more.length === 0 && name.length <= 253 && /^[\w.-]+( [\w.-]+)*$/.test(name),
  "domain-name-servers": (values) =>
    areAddresses(values) || (values.length === 1 && values[0] === amazonProvidedDns),
  "ipv6-address-preferred-lease-time": ([seconds = "", ...more]) =>
    more.length === 0 && /^\d{1,10}$/.test(seconds) && Number(seconds) >= 140 && Number(seconds) < 2 ** 31,
  "netbios-name-servers": areAddresses,
  "netbios-node-type": ([type = "", ...more]) => more.length === 0 && ["1", "2", "4", "8"].includes(type),
  "ntp-servers": areAddresses,
};
