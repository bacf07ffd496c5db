import { isIPv4, isIPv6 } from "node:net";
import { addressesOf } from "./network-driver.ts";
import type { InterfaceAddress, NetworkElement, RouteTarget, TrafficRule } from "./network-driver.ts";

/**
 * Elements come from a program with fewer rights than this one and become lines of commands run by root: nothing passes that
 * is not exactly an id, an address or a number. Throws, naming what is wrong.
 */
export const checkElement = (element: NetworkElement): void => {
  switch (element.kind) {
    case "range":
      return must("IPv4 range", isCidr4(element.cidr), element.cidr);
    case "subnet":
      must("IPv4 range", isCidr4(element.cidr), element.cidr);
      return [element.id, element.table, element.filter].forEach(checkIdIfAny);
    case "table":
      return checkId(element.id);
    case "gateway":
      return checkId(element.table);
    case "route":
      checkId(element.table);
      must("IPv4 range", isCidr4(element.to), element.to);
      return checkTarget(element.via);
    case "peering":
      [element.id, element.network].forEach(checkId);
      return element.ranges.forEach((cidr) => must("IPv4 range", isCidr4(cidr), cidr));
    case "filter":
      checkId(element.id);
      return [...element.ingress, ...element.egress].forEach(checkRule);
    case "interface":
      checkId(element.id);
      checkId(element.subnet);
      must("MAC address", /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(element.mac), element.mac);
      addressesOf(element).forEach(checkAddresses);
      Object.values(element.idle ?? {}).forEach(checkSeconds);
      return element.groups.forEach(checkId);
    case "group":
      checkId(element.id);
      return [...element.ingress, ...element.egress].forEach(checkRule);
    case "member":
      checkId(element.group);
      return must("IPv4 address", isIPv4(element.address), element.address);
  }
};

/** Ids become parts of file, link, chain and set names. */
export const checkId = (id: string): void => must("id", /^[a-zA-Z][a-zA-Z0-9-]{0,62}$/.test(id), id);

const checkIdIfAny = (id: string | undefined): void => {
  if (id !== undefined) checkId(id);
};

const checkAddresses = ({ address, publicAddress = address }: InterfaceAddress): void => {
  for (const it of [address, publicAddress]) must("IPv4 address", isIPv4(it), it);
};

const checkSeconds = (seconds: number): void => must("seconds", isInteger(seconds, 1, 432_000), seconds);

const checkTarget = (via: RouteTarget): void => {
  if (typeof via === "string") return must("way", ["network", "outside", "nowhere"].includes(via), via);
  if ("peering" in via) return checkId(via.peering);
  checkId(via.interface);
  must("IPv4 address", isIPv4(via.address), via.address);
};

const checkRule = ({ protocol, ports, peer }: TrafficRule): void => {
  must("protocol", protocol === "any" || isInteger(protocol, 0, 255), protocol);
  if (ports !== undefined) {
    const { from, to } = ports;
    const inOrder = protocol === icmp || from <= to;
    must("ports", isInteger(from, -1, 65535) && isInteger(to, -1, 65535) && inOrder, `${from}-${to}`);
  }
  if ("group" in peer) [peer.group, peer.peering].forEach(checkIdIfAny);
  else must("address range", isCidr4(peer.cidr) || isCidr6(peer.cidr), peer.cidr);
};

/** Its ports are a type and a code. */
const icmp = 1;

const isCidr4 = (text: string): boolean => isCidr(text, isIPv4, 32);
const isCidr6 = (text: string): boolean => isCidr(text, isIPv6, 128);

const isCidr = (text: string, isAddress: (text: string) => boolean, bits: number): boolean => {
  const [address = "", length = "", ...rest] = text.split("/");
  return rest.length === 0 && isAddress(address) && /^\d{1,3}$/.test(length) && Number(length) <= bits;
};

const isInteger = (value: number, from: number, to: number): boolean =>
  Number.isInteger(value) && value >= from && value <= to;

const must = (what: string, holds: boolean, value: unknown): void => {
  if (!holds) throw new Error(`not a valid ${what}: ${String(value)}`);
};
