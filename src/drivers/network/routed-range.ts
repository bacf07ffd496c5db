import type { NetworkElement } from "./network-driver.ts";

/** For tests and benches: a network of one range, whose subnets all share one table, `main`, that leads outside. */
export const routedRange = (
  range: string,
  subnets: Readonly<Record<string, string>>,
): [key: string, element: NetworkElement][] => [
  [`range/${range}`, { kind: "range", cidr: range }],
  ["table/main", { kind: "table", id: "main" }],
  [`route/main/${range}`, { kind: "route", table: "main", to: range, via: "network" }],
  ["route/main/0.0.0.0/0", { kind: "route", table: "main", to: "0.0.0.0/0", via: "outside" }],
  ...Object.entries(subnets).map(([id, cidr]): [string, NetworkElement] => [
    `subnet/${id}`,
    { kind: "subnet", id, cidr, table: "main" },
  ]),
];
