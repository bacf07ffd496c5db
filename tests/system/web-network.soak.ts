import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { GetConsoleOutputCommand } from "@aws-sdk/client-ec2";
import { awsCli } from "../clients/aws-cli.ts";
import { dial } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";
import { changesOf, machines, makeWebNetwork, targets, tellReach } from "./web-network.ts";
import type { Made } from "./web-network.ts";

/** `web-network.test.ts` with a real machine in each tier. Machines say what they reach on their consoles, so that no change can hide it. */
const region = await realRegion();
const aws = awsCli(region);
const files = mkdtempSync(join(tmpdir(), "croft-web-"));
after(() => rmSync(files, { recursive: true }));

/** On every machine: over and over, one line for the console with a mark for each target. The web server's public address is a tag. */
const reach = `cat > /srv/reach.py <<'END'
import socket, threading, time, urllib.request
targets = ${JSON.stringify(targets.map(([name, address]) => [Number(name.split(":")[1]), address]))}
def metadata(path, method="GET", **headers):
    asked = urllib.request.Request("http://169.254.169.254/latest/" + path, method=method, headers=headers)
    return urllib.request.urlopen(asked, timeout=5).read().decode()
def public():
    try:
        token = metadata("api/token", "PUT", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        return metadata("meta-data/tags/instance/web-address", **{"X-aws-ec2-metadata-token": token})
    except Exception:
        return None
def probe(n, port, address, marks):
    try:
        socket.create_connection((address, port), timeout=4).close()
        marks[n] = "+"
    except Exception:
        pass
number = 0
while True:
    number += 1
    marks, web = ["-"] * len(targets), public()
    threads = [threading.Thread(target=probe, args=(n, port, address or web, marks)) for n, (port, address) in enumerate(targets) if address or web]
    for it in threads: it.start()
    for it in threads: it.join()
    with open("/dev/ttyS0", "w") as console:
        console.write("\\\\nreach %d %s\\\\n" % (number, "".join(marks)))
    time.sleep(2)
END
systemd-run --unit reach python3 /srv/reach.py
`.replaceAll("\\\\n", "\\n");

let ids: Made;

before(async () => {
  const also = join(files, "reach.sh");
  writeFileSync(also, reach);
  ids = await makeWebNetwork(region, also);
  for (const name of machines) {
    const instance = `--instance-id ${ids[name]}`;
    await aws.text(`ec2 modify-instance-metadata-options ${instance} --instance-metadata-tags enabled`);
    await aws.text(
      `ec2 create-tags --resources ${ids[name]} --tags Key=web-address,Value=${ids["web_address"]}`,
    );
  }
});

interface Round {
  readonly number: number;
  readonly reached: readonly string[];
}

/** The last round that a machine told whole. */
async function lastRound(name: string): Promise<Round> {
  const { Output = "" } = await region.client.send(
    new GetConsoleOutputCommand({ InstanceId: ids[name], Latest: true }),
  );
  const lines = Buffer.from(Output, "base64")
    .toString()
    .matchAll(/^reach (\d+) ([+-]{8})\r?$/gm);
  const [, number = "0", marks = ""] = [...lines].at(-1) ?? [];
  const reached = targets.flatMap(([target], n) =>
    marks[n] === "+" && !target.startsWith(`${name}:`) && !(name === "web" && target === "public:80")
      ? [`${name}>${target}`]
      : [],
  );
  return { number: Number(number), reached };
}

async function fromHost(): Promise<string[]> {
  const asked = [
    ["host>bastion:22", "bastion_address", 22],
    ["host>web:22", "web_address", 22],
    ["host>web:80", "web_address", 80],
  ] as const;
  const outcomes = await Promise.all(
    asked.map(async ([edge, name, port]) => [edge, await dial(ids[name] ?? "", port, 4_000)] as const),
  );
  return outcomes.flatMap(([edge, outcome]) => (outcome === "connected" ? [edge] : []));
}

/** What everyone reaches in a round that began after this was called. */
async function seen(): Promise<string[]> {
  const begun = await Promise.all(machines.map(lastRound));
  const rounds = await Promise.all(
    machines.map((name, n) =>
      until(
        () => lastRound(name),
        ({ number }) => number > (begun[n]?.number ?? 0) + 1,
        240_000,
      ),
    ),
  );
  return [...(await fromHost()), ...rounds.flatMap(({ reached }) => reached)].toSorted();
}

test("everyone reaches whom they should, and nobody else, before and after each of twenty changes", async (t) => {
  await tellReach(t, changesOf(aws, ids), async (expected) =>
    until(seen, (edges) => String(edges) === String(expected), 600_000),
  );
});
