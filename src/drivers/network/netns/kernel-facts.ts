import { run } from "../../linux/commands.ts";
import type { Fact } from "./link-facts.ts";
import { outboundLink } from "./names.ts";
import type { LinkRow, RouteMessage, RouteRow, RuleRow } from "./route-messages.ts";

/** What is true of `namespace` now, in the words of `link-facts.ts`. */
export const readFacts = async (namespace: string): Promise<Set<Fact>> => {
  // Links last: after them, one `ip` shows no addresses any more.
  const questions = [
    "address show",
    "route show table all",
    "neighbour show nud permanent",
    "rule show",
    "link show",
  ];
  return factsIn(
    await run("ip", ["-json", "-batch", "-"], { namespace, input: `${questions.join("\n")}\n` }),
  );
};

/** The interfaces of a network: the names of its links are digests, their aliases the ids. */
export const readInterfaceIds = async (namespace: string): Promise<string[]> => {
  const links: LinkRow[] = JSON.parse(await run("ip", ["-json", "link", "show"], { namespace }));
  return links.flatMap(({ ifname, ifalias }) =>
    isInterface(ifname) && ifalias !== undefined ? [ifalias] : [],
  );
};

/** `text`: one line of JSON for each question. */
export const factsIn = (text: string): Set<Fact> => {
  const [addresses = "[]", routes = "[]", neighbours = "[]", rules = "[]", links = "[]"] = text
    .trim()
    .split("\n");
  return new Set([
    ...parse<LinkRow>(addresses).flatMap(addressFacts),
    ...parse<RouteRow>(routes).flatMap(routeFacts),
    ...parse<Neighbour>(neighbours).map(neighbourFact),
    ...parse<RuleRow>(rules).map(ruleFact),
    ...parse<LinkRow>(links).flatMap(linkFacts),
  ]);
};

/** What a message says is so now, or is gone. */
export const factsTold = (message: RouteMessage): Fact[] => {
  switch (message.of) {
    case "link":
      return linkFacts(message.row);
    case "address":
      return addressFacts(message.row);
    case "route":
      return routeFacts(message.row);
    case "rule":
      return [ruleFact(message.row)];
  }
};

const parse = <Row>(json: string): Row[] => JSON.parse(json);

const isInterface = (link: string): boolean => link.startsWith("eni");
const isPeering = (link: string): boolean => link.startsWith("pcx");

const addressFacts = ({ ifname, addr_info = [] }: LinkRow): Fact[] =>
  addr_info
    .filter(({ family, local }) => family === "inet" && local !== "127.0.0.1")
    .map(
      ({ local, prefixlen }): Fact =>
        `address ${prefixlen === 32 ? local : `${local}/${prefixlen}`} dev ${ifname}`,
    );

const routeFacts = ({
  type,
  dst,
  gateway,
  dev,
  prefsrc,
  protocol,
  table,
  metric,
  flags = [],
}: RouteRow): Fact[] => {
  if (protocol === "kernel") return [];
  const words = [
    type,
    dst,
    gateway && `via ${gateway}`,
    dev && `dev ${dev}`,
    flags.includes("onlink") && "onlink",
    prefsrc && `src ${prefsrc}`,
    table && `table ${table}`,
    metric && `metric ${metric}`,
  ];
  return [`route ${words.filter(Boolean).join(" ")}`];
};

const neighbourFact = ({ dst, lladdr, dev }: Neighbour): Fact =>
  `neighbour ${dst} lladdr ${lladdr} dev ${dev}`;

const ruleFact = ({ priority, iif, fwmark, table, action }: RuleRow): Fact => {
  const words = [iif && `iif ${iif}`, fwmark && `fwmark ${fwmark}`, table ? `lookup ${table}` : action];
  return `rule pref ${priority} ${words.filter(Boolean).join(" ")}`;
};

const linkFacts = ({ ifname, ifalias, address, mtu, flags }: LinkRow): Fact[] => {
  const state = flags.includes("UP") ? "up" : "down";
  if (ifname === "lo") return [`settings lo ${state}`];
  const alias = ifalias === undefined ? "" : ` alias ${ifalias}`;
  const settings: Fact = `settings ${ifname}${alias} address ${address} mtu ${mtu} ${state}`;
  return isInterface(ifname) || isPeering(ifname) || ifname === outboundLink
    ? [`link ${ifname}`, settings]
    : [settings];
};

interface Neighbour {
  readonly dst: string;
  readonly lladdr: string;
  readonly dev: string;
}
