import { closeSync } from "node:fs";
import { after, before, test } from "node:test";
import { DescribeInstancesCommand } from "@aws-sdk/client-ec2";
import { run } from "#drivers/linux/commands.ts";
import { openSocket } from "#drivers/linux/namespaces.ts";
import { awsCli } from "../clients/aws-cli.ts";
import { until } from "../until.ts";
import { answered, plugIn } from "./guest-namespace.ts";
import type { Dial } from "./guest-namespace.ts";
import { changesOf, machines, makeWebNetwork, targets, tellReach } from "./web-network.ts";
import type { Made } from "./web-network.ts";
import { wiredRegion } from "./wired-region.ts";

/** Real packets through real networks; a namespace stands for each machine. */
const prefix = "croft-web";
const region = await wiredRegion(prefix, "198.18.246.0/24");
const aws = awsCli(region);
const guest = (name: string) => `${prefix}guest-${name}`;
const unplug = () => Promise.allSettled(machines.map((name) => run("ip", ["netns", "delete", guest(name)])));

let ids: Made;
const listening: number[] = [];

before(async () => {
  await unplug();
  ids = await makeWebNetwork(region);
  const { Reservations = [] } = await region.client.send(new DescribeInstancesCommand({}));
  const instances = Reservations.flatMap(({ Instances = [] }) => Instances);
  for (const name of machines) {
    const instance = instances.find(({ InstanceId }) => InstanceId === ids[name]);
    const [nic] = instance?.NetworkInterfaces ?? [];
    const { NetworkInterfaceId = "", MacAddress: mac = "", PrivateIpAddress: address = "" } = nic ?? {};
    await plugIn(guest(name), region.networks.port(ids["vpc"] ?? "", NetworkInterfaceId), { mac, address });
    for (const [target] of targets)
      if (target.startsWith(`${name}:`))
        listening.push(
          openSocket(guest(name), { type: "tcp", address: "0.0.0.0", port: Number(target.split(":")[1]) }),
        );
  }
});

after(async () => {
  for (const fd of listening) closeSync(fd);
  await unplug();
});

/** Every question there is, by its edge. */
const dials = (): [edge: string, dial: Dial][] => [
  ...(["bastion:22", "web:22", "web:80"] as const).map((target): [string, Dial] => {
    const [name, port] = target.split(":");
    return [`host>${target}`, { from: undefined, to: ids[`${name}_address`] ?? "", port: Number(port) }];
  }),
  ...machines.flatMap((name) =>
    targets
      .filter(([target]) => !target.startsWith(`${name}:`) && !(name === "web" && target === "public:80"))
      .map(([target, address]): [string, Dial] => {
        const to = address || (ids["web_address"] ?? "");
        return [`${name}>${target}`, { from: guest(name), to, port: Number(target.split(":")[1]) }];
      }),
  ),
];

/** What should be answered has time; what should not is asked after it. */
const seen = async (expected: readonly string[]): Promise<string[]> => {
  const edges = new Map(dials());
  const ask = async (names: readonly string[], patienceMs: number) => {
    const heard = await answered(
      names.map((name) => edges.get(name) as Dial),
      patienceMs,
    );
    return names.filter((_, n) => heard[n]);
  };
  const others = [...edges.keys()].filter((edge) => !expected.includes(edge));
  return [...(await ask(expected, 3_000)), ...(await ask(others, 400))].toSorted();
};

test("everyone reaches whom they should, and nobody else, before and after each of twenty changes", async (t) => {
  await tellReach(t, changesOf(aws, ids), (expected) =>
    until(
      () => seen(expected),
      (edges) => String(edges) === String(expected),
    ),
  );
});
