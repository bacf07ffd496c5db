import { closeSync } from "node:fs";
import { openSocket } from "#drivers/linux/namespaces.ts";
import { routedRange } from "#drivers/network/routed-range.ts";
import { dial, plugIn } from "../tests/system/guest-namespace.ts";
import {
  card,
  connections,
  freshNetworks,
  group,
  serve,
  subnets,
  tcp,
  type Entry,
  type Side,
} from "./network-sides.ts";
import { comparePairs, median } from "./pairs.ts";

/**
 * What a network's size costs: two networks alike, but that one has a thousand interfaces and two hundred groups. Needs root and iperf3.
 *
 *   node bin/croft run bench/network-size.ts [PAIRS]
 *
 * Promises: TCP and new connections in the crowded one at 0.9 of the calm one's; an interface added there takes twice as long at most;
 * a rule changed there: 50 ms until a packet passes.
 */
const pairs = Number(process.argv[2] ?? 9);
const prefix = "croft-nb";

const cards = { server: card("eni-1", "one", "10.0.1.10"), client: card("eni-2", "one", "10.0.1.11") };
const calm: readonly Entry[] = [
  ...routedRange("10.0.0.0/16", subnets),
  group("sg-1", [5000, 6000]),
  ...Object.values(cards),
  ...Array.from({ length: 8 }, (_, n) => card(`eni-${n + 3}`, "one", `10.0.1.${n + 12}`)),
];
/** Each interface in five groups, which know each other. */
const many = Array.from({ length: 1000 }, (_, n) =>
  card(`eni-m${n}`, "many", `10.0.${16 + (n >> 7)}.${10 + (n & 127)}`, {
    groups: Array.from({ length: 5 }, (_k, k) => `sg-m${(n + 40 * k) % 200}`),
  }),
);
const crowd: readonly Entry[] = [
  ...calm,
  ...many,
  ...many.flatMap(([, { groups, address }]) =>
    groups.map((id): Entry => [`member/${id}/${address}`, { kind: "member", group: id, address }]),
  ),
  ...Array.from({ length: 200 }, (_, n): Entry => [
    `group/sg-m${n}`,
    {
      kind: "group",
      id: `sg-m${n}`,
      ingress: [{ protocol: 6, ports: { from: 443, to: 443 }, peer: { group: `sg-m${(n + 1) % 200}` } }],
      egress: [{ protocol: "any", peer: { cidr: "0.0.0.0/0" } }],
    },
  ]),
];
const sizes = { calm, crowd };
const names = ["calm", "crowd"] as const;
const sideOf = (network: (typeof names)[number]): Side => ({
  server: `${prefix}guest-${network}-server`,
  client: `${prefix}guest-${network}-client`,
  address: cards.server[1].address,
});
const sides = { calm: sideOf("calm"), crowd: sideOf("crowd") };
const guests = names.flatMap((it) => [sides[it].server, sides[it].client]);

await using stack = new AsyncDisposableStack();
const networks = await freshNetworks(prefix, guests, stack);
const apply = (network: (typeof names)[number], ...more: readonly Entry[]) =>
  networks.apply(network, new Map([...sizes[network], ...more]));

for (const network of names) {
  const start = performance.now();
  await apply(network);
  console.log(`${network}: made in ${(performance.now() - start).toFixed(0)} ms`);
  for (const role of ["server", "client"] as const) {
    const [, it] = cards[role];
    await plugIn(sides[network][role], networks.port(network, it.id), it);
  }
}
await serve(
  names.map((network) => sides[network].server),
  stack,
);

await interfacesAdded();
await ruleChanged();
const compare = (name: string, unit: string, measure: typeof connections) =>
  comparePairs(
    `${name} with 1,000 interfaces`,
    unit,
    { ours: measure(sides.crowd, stack), bare: measure(sides.calm, stack) },
    pairs,
    "with ten",
  );
await compare("TCP", "Gbit/s", (side) => tcp(side));
await compare("new connections", "/s", connections);

/** Milliseconds from the call until it is there, in turns. */
async function interfacesAdded(): Promise<void> {
  const times = { calm: [] as number[], crowd: [] as number[] };
  for (let n = 0; n < 20; n++)
    for (const network of names) {
      const start = performance.now();
      await apply(network, card("eni-new", "two", "10.0.2.99"));
      times[network].push(performance.now() - start);
      await apply(network);
    }
  const [few, crowded] = [median(times.calm), median(times.crowd)];
  console.log(
    `an interface added: median of 20 ${few.toFixed(1)} ms at ten, ${crowded.toFixed(1)} ms at 1,000: ${(crowded / few).toFixed(2)} ×`,
  );
}

/** From the call until a packet passes that did not before. */
async function ruleChanged(): Promise<void> {
  const { server, client, address } = sides.crowd;
  const listener = openSocket(server, { type: "tcp", address: "0.0.0.0", port: 7000 });
  const times: number[] = [];
  for (let n = 0; n < 20; n++) {
    const start = performance.now();
    await apply("crowd", group("sg-1", [5000, 7000]));
    if (dial(client, address, 7000) !== "connected") throw new Error("the rule is not there");
    times.push(performance.now() - start);
    await apply("crowd");
  }
  closeSync(listener);
  const worst = Math.max(...times).toFixed(1);
  console.log(
    `rule changed at 1,000 interfaces, until a packet passes: median ${median(times).toFixed(1)} ms, worst of 20 ${worst} ms`,
  );
}
