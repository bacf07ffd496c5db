import type {
  FilterRule,
  GroupElement,
  IdleTimeouts,
  InterfaceElement,
  NetworkElement,
  TrafficRule,
} from "./network-driver.ts";

/** An integer from 0 to one less than `limit`. */
type Random = (limit: number) => number;

/**
 * A network that changes at random, one to four elements a step, for tests: `step` answers the next desired set. Changed
 * elements are new objects, the others keep their identity.
 */
export const randomNetwork = (below: Random, { interfaces = 12, groups = 6 } = {}) => {
  let desired = new Map<string, NetworkElement>([
    ["range/10.0.0.0/16", { kind: "range", cidr: "10.0.0.0/16" }],
    ...tables.map((id): [string, NetworkElement] => [`table/${id}`, { kind: "table", id }]),
  ]);
  const group = () => `sg-${below(groups)}`;
  const rule = (): TrafficRule => {
    const protocol = pick<number | "any">(below, ["any", 1, 6, 6, 6, 17, 58]);
    const ports =
      protocol === 1
        ? { from: 8, to: -1 }
        : pick(below, [
            { from: 22, to: 22 },
            { from: 20, to: 60 },
          ]);
    return {
      protocol,
      ...(below(3) > 0 ? { ports } : {}),
      peer: below(2) > 0 ? { group: group() } : { cidr: pick(below, ["0.0.0.0/0", "10.0.1.0/24", "::/0"]) },
    };
  };
  const rules = () => Array.from({ length: below(4) }, rule);
  const card = (n: number): InterfaceElement => ({
    kind: "interface",
    id: `eni-${n}`,
    mac: `02:aa:00:00:00:${n.toString(16).padStart(2, "0")}`,
    subnet: `subnet-${n % 3}`,
    address: address(n),
    ...(below(10) < 3 ? { secondary: [{ address: `10.0.${n % 3}.${100 + n}` }] } : {}),
    groups: [...new Set(Array.from({ length: below(4) }, group))],
    sourceCheck: below(10) < 8,
    ...(below(10) < 3 ? { idle: pick<IdleTimeouts>(below, timeouts) } : {}),
    ...(below(10) < 5 ? { publicAddress: `198.18.250.${10 + below(interfaces)}` } : {}),
  });

  const route = (table: string, to: string): [string, NetworkElement] => [
    `route/${table}/${to}`,
    { kind: "route", table, to, via: pick(below, ["network", "outside", "nowhere"]) },
  ];
  const filter = (id: string): [string, NetworkElement] => [
    `filter/${id}`,
    { kind: "filter", id, ingress: filterRules(), egress: filterRules() },
  ];
  const filterRules = (): FilterRule[] =>
    rules().map((it) => ({
      ...it,
      peer: { cidr: pick(below, ["0.0.0.0/0", "10.0.1.0/24"]) },
      passes: below(2) > 0,
    }));

  const change = (next: Map<string, NetworkElement>) => {
    const n = below(interfaces);
    const id = group();
    const [key, element] = pick<() => [string, NetworkElement]>(below, [
      () => [`interface/eni-${n}`, withOwnAddress(next, card(n))],
      () => [`group/${id}`, { kind: "group", id, ingress: rules(), egress: rules() } satisfies GroupElement],
      () => [`member/${id}/${address(n)}`, { kind: "member", group: id, address: address(n) }],
      () => [
        `subnet/${n % 3}`,
        {
          kind: "subnet",
          id: `subnet-${n % 3}`,
          cidr: `10.0.${n % 3}.0/24`,
          ...(below(2) > 0 ? { table: pick(below, tables) } : {}),
          ...(below(2) > 0 ? { filter: pick(below, filters) } : {}),
        },
      ],
      () =>
        route(pick(below, tables), pick(below, ["0.0.0.0/0", "10.0.0.0/16", "10.0.1.0/24", "192.0.2.7/32"])),
      () => filter(pick(below, filters)),
    ])();
    if (below(10) < 3) next.delete(key);
    else next.set(key, element);
  };
  return {
    step(): Map<string, NetworkElement> {
      desired = new Map(desired);
      for (let changes = 1 + below(4); changes > 0; changes--) change(desired);
      return desired;
    },
  };
};

const tables = ["rtb-1", "rtb-2"] as const;
const timeouts = [
  { tcpEstablished: 60 },
  { udp: 45 },
  { tcpEstablished: 60, udpStream: 60 },
] as const satisfies IdleTimeouts[];
const filters = ["acl-1", "acl-2"] as const;

const pick = <T>(below: Random, from: readonly [T, ...T[]]): T => from[below(from.length)] ?? from[0];

const address = (n: number) => `10.0.${n % 3}.${10 + n}`;

/** A public address belongs to one interface at a time. */
const withOwnAddress = (
  network: ReadonlyMap<string, NetworkElement>,
  card: InterfaceElement,
): InterfaceElement => {
  const taken = [...network.values()].some(
    (other) =>
      other.kind === "interface" && other.id !== card.id && other.publicAddress === card.publicAddress,
  );
  if (!taken) return card;
  const { publicAddress: _, ...bare } = card;
  return bare;
};
