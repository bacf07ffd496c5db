import { run } from "../../linux/commands.ts";
import type { Fact } from "./link-facts.ts";
import { outboundLink } from "./names.ts";

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
  const links: Link[] = JSON.parse(await run("ip", ["-json", "link", "show"], { namespace }));
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
    ...parse<Link>(addresses).flatMap(addressFacts),
    ...parse<Route>(routes).flatMap(routeFacts),
    ...parse<Neighbour>(neighbours).map(neighbourFact),
    ...parse<Rule>(rules).map(ruleFact),
    ...parse<Link>(links).flatMap(linkFacts),
  ]);
};

const parse = <Row>(json: string): Row[] => JSON.parse(json);

const isInterface = (link: string): boolean => link.startsWith("eni");
const isPeering = (link: string): boolean => link.startsWith("pcx");

const addressFacts = ({ ifname, addr_info = [] }: Link): Fact[] =>
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
}: Route): Fact[] => {
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

const ruleFact = ({ priority, iif, fwmark, table, action }: Rule): Fact => {
  const words = [iif && `iif ${iif}`, fwmark && `fwmark ${fwmark}`, table ? `lookup ${table}` : action];
  return `rule pref ${priority} ${words.filter(Boolean).join(" ")}`;
};

const linkFacts = ({ ifname, ifalias, address, mtu, flags }: Link): Fact[] => {
  const state = flags.includes("UP") ? "up" : "down";
  if (ifname === "lo") return [`settings lo ${state}`];
  const alias = ifalias === undefined ? "" : ` alias ${ifalias}`;
  const settings: Fact = `settings ${ifname}${alias} address ${address} mtu ${mtu} ${state}`;
  return isInterface(ifname) || isPeering(ifname) || ifname === outboundLink
    ? [`link ${ifname}`, settings]
    : [settings];
};

interface Link {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly addr_info?: readonly {
    readonly family: string;
    readonly local: string;
    readonly prefixlen: number;
  }[];
}

interface Route {
  readonly type?: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly prefsrc?: string;
  readonly protocol?: string;
  /** Absent: the main one. */
  readonly table?: string;
  readonly metric?: number;
  readonly flags?: readonly string[];
}

interface Neighbour {
  readonly dst: string;
  readonly lladdr: string;
  readonly dev: string;
}

interface Rule {
  readonly priority: number;
  readonly iif?: string;
  readonly fwmark?: string;
  readonly table?: string;
  readonly action?: string;
}
