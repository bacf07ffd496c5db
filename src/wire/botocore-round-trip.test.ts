import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { ApiError } from "#api/error.ts";
import { wireServices } from "../../tools/wire-services.ts";
import type { WireProtocol, WireRequest } from "./protocol.ts";
import { loadWireService } from "./wire-service.ts";

/** Debian's, for which python3-botocore comes with the test packages. */
const python = "/usr/bin/python3";
const { status } = spawnSync(python, ["-c", "import botocore"], { stdio: "ignore" });
const skip = status === 0 ? false : `${python} has no botocore (apt-get install python3-botocore)`;

/** What botocore calls services whose requests are signed for another name. */
const modelNames: Readonly<Record<string, string>> = {
  elasticfilesystem: "efs",
  elasticloadbalancing: "elbv2",
  monitoring: "cloudwatch",
  servicequotas: "service-quotas",
};

test(
  "every operation that botocore knows is read as it was sent, and botocore reads what is answered",
  { skip, timeout: 300_000 },
  async (t) => {
    const names = wireServices.map(({ signingName }) => modelNames[signingName] ?? signingName);
    const peer = spawn(python, [new URL("botocore-peer.py", import.meta.url).pathname, ...names], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    t.after(() => peer.kill());
    const lines = createInterface(peer.stdout)[Symbol.asyncIterator]();
    const heard = async () => JSON.parse((await lines.next()).value ?? "null");
    const say = (message: object) => peer.stdin.write(`${JSON.stringify(message)}\n`);
    const { version } = await heard();

    for (const { signingName } of wireServices) {
      const service = loadWireService(signingName);
      let [passed, lacking] = [0, 0];
      const changed: string[] = [];
      for (const operation of service.operations) {
        say({ service: signingName, operation });
        const { request: sent, input, output } = alike(await heard());
        if (sent === undefined) {
          lacking += 1;
          continue;
        }
        const request = { ...sent, body: Buffer.from(sent.body, "base64") };
        const wire = service.speaking(request);
        const parsed = parsedBy(wire, request);
        if (!parsed) {
          changed.push(operation);
          say({});
          continue;
        }
        assert.equal(parsed.operation, operation);
        assert.deepEqual(told(parsed.input), input, `input of ${operation}`);
        const {
          status: code,
          headers,
          body,
        } = wire.answer(operation, Object(heardValue(output)), "request-1");
        const bytes = Buffer.concat([body].flat().map((piece) => Buffer.from(Object(piece))));
        say({ status: code, headers, body: bytes.toString("base64") });
        assert.deepEqual(alike(await heard()).output, output, `output of ${operation}`);
        passed += 1;
      }
      t.diagnostic(
        `${signingName}: ${passed} operations; botocore ${version} lacks ${lacking}; AWS has narrowed ${changed.join(", ") || "none"}`,
      );
      assert.ok(passed > 0 && changed.length <= mostChanged);
    }
    peer.stdin.end();
    await once(peer, "close");
  },
);

/** Undefined: an older model allows what AWS no longer does, a longer list or two members of what is a union now. */
function parsedBy(wire: WireProtocol, request: WireRequest): ReturnType<WireProtocol["parse"]> | undefined {
  try {
    return wire.parse(request);
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}

/** Of one service's operations. */
const mostChanged = 4;

/** As the peer tells values: plain JSON. */
function told(value: unknown): unknown {
  if (value instanceof Date) return { $time: value.toISOString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(told);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, told(member)]));
}

/** Where the models disagree: S3's markers of parts are numbers to botocore, and texts to the SDK. */
const alike = (message: unknown) =>
  JSON.parse(JSON.stringify(message), (name, value) =>
    name.endsWith("PartNumberMarker") ? String(value) : value,
  );

function heardValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(heardValue);
  if (typeof value !== "object" || value === null) return value;
  const { $time, $bytes }: { $time?: unknown; $bytes?: unknown } = value;
  if (typeof $time === "string") return new Date($time);
  if (typeof $bytes === "string") return new Uint8Array(Buffer.from($bytes, "base64"));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, heardValue(member)]));
}
