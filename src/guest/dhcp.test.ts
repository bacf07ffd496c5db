import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answerDhcp } from "./dhcp.ts";
import type { GuestLease } from "./guest-snapshot.ts";
import { networkView } from "./network-view.ts";
import * as fc from "fast-check";
import { damaged } from "./damaged.ts";
import { sampleInterface, sampleNetwork } from "./sample-network.ts";

const network = networkView(sampleNetwork([sampleInterface("10.0.1.5"), sampleInterface("10.0.1.6")]));

const [discover, request, decline, release, inform] = ["01", "03", "04", "07", "08"];
const [requested5, requested6] = ["32040a000105", "32040a000106"];
const [server, otherServer] = ["36040a000101", "36040a0001fe"];

/** All of an answer's options after the cookie, as the client of 10.0.1.5 gets them with an address. */
const configuration =
  "0104ffffff00" + // mask
  "1c040a0001ff" + // broadcast
  "03040a000101" + // router
  "06040a000002" + // resolver
  `0c0b${Buffer.from("ip-10-0-1-5").toString("hex")}` +
  `0f0c${Buffer.from("ec2.internal").toString("hex")}` +
  "1a022329" + // MTU 9001
  "2a04a9fea97b"; // NTP
const lease = "330400000e10";

const names: Record<string, string> = { "02": "an offer", "05": "an acknowledgement", "06": "a refusal" };

describe("DHCP", () => {
  test("offers a client that looks for servers its address, byte for byte", () => {
    const answer = ask({ type: discover });
    assert.equal(answer?.to, "10.0.1.5");
    assert.equal(
      answer.message.toString("hex"),
      (
        "02010600" + // reply, ethernet
        "12345678" + // transaction
        "0000" +
        "8000" + // seconds, flags
        "00000000" +
        "0a000105" +
        "00000000" +
        "00000000" + // client, yours, next server, relay
        "020000000005" +
        "00".repeat(10) + // hardware address
        "00".repeat(192) + // server name, boot file
        "63825363" +
        "350102" +
        server +
        lease +
        configuration +
        "ff"
      ).padEnd(600, "0"),
    );
  });

  // State of the client (RFC 2131, 4.3.2), what it asks, what it gets.
  const cases: [string, Parameters<typeof ask>[0], string | undefined][] = [
    [
      "selecting this server",
      { type: request, options: requested5 + server },
      `350105${server}${lease}${configuration}`,
    ],
    ["selecting another server", { type: request, options: requested5 + otherServer }, undefined],
    [
      "selecting an address that was not offered",
      { type: request, options: requested6 + server },
      `350106${server}`,
    ],
    [
      "restarting with its address",
      { type: request, options: requested5 },
      `350105${server}${lease}${configuration}`,
    ],
    ["restarting with another's address", { type: request, options: requested6 }, `350106${server}`],
    ["renewing", { type: request, ciaddr: "0a000105" }, `350105${server}${lease}${configuration}`],
    ["renewing another's address", { type: request, ciaddr: "0a000106" }, `350106${server}`],
    ["asking for no address at all", { type: request }, `350106${server}`],
    ["informing itself", { type: inform, ciaddr: "0a000105" }, `350105${server}${configuration}`],
    ["declining", { type: decline, options: requested5 + server }, undefined],
    ["releasing", { type: release, ciaddr: "0a000105", options: server }, undefined],
    [
      "naming itself",
      { type: discover, options: "3d0701aabbccddeeff" },
      `350102${server}3d0701aabbccddeeff${lease}${configuration}`,
    ],
    [
      "padding its options",
      { type: discover, options: "00000000" },
      `350102${server}${lease}${configuration}`,
    ],
    ["unknown to the network", { type: discover, mac: "0200000000ff" }, undefined],
    ["relayed", { type: discover, giaddr: "0a000109" }, undefined],
    ["of an unknown message type", { type: "63" }, undefined],
    ["sending a reply", { type: discover, op: "02" }, undefined],
    ["of another kind of hardware", { type: discover, htype: "06" }, undefined],
    ["without the magic cookie", { type: discover, cookie: "00000000" }, undefined],
    ["with an option that runs over the end", { type: discover, options: "3dff01", end: "" }, undefined],
    ["with an option that has no length", { type: discover, options: "3d", end: "" }, undefined],
  ];
  for (const [state, asked, expected] of cases) {
    test(`answers a client ${state} with ${expected === undefined ? "nothing" : names[expected.slice(4, 6)]}`, () => {
      const options = ask(asked)?.message.subarray(240).toString("hex").replace(/ff0*$/, "");
      assert.equal(options, expected?.replace(/ff$/, ""));
    });
  }

  test("leases what its network says, and leaves out what it does not", () => {
    const asked = message({ type: request, options: requested5 });
    const options = (says: GuestLease) =>
      answerDhcp(asked, networkView({ ...sampleNetwork([sampleInterface("10.0.1.5")]), lease: says }))
        ?.message.subarray(240)
        .toString("hex")
        .replace(/ff0*$/, "");
    const none = { nameServers: [], timeServers: [], netbiosNameServers: [] };
    const always =
      `350105${server}${lease}0104ffffff001c040a0001ff03040a000101` +
      `0c0b${Buffer.from("ip-10-0-1-5").toString("hex")}`;
    assert.equal(options(none), `${always}1a022329`);
    const office: GuestLease = {
      domain: "corp.example",
      nameServers: ["10.2.5.1", "10.2.5.2"],
      timeServers: ["10.2.5.3"],
      netbiosNameServers: ["10.2.5.4"],
      netbiosNodeType: 2,
    };
    assert.equal(
      options(office),
      always.replace("0c0b", "06080a0205010a0205020c0b") +
        `0f0c${Buffer.from("corp.example").toString("hex")}1a0223292a040a0205032c040a0205042e0102`,
    );
  });

  test("gives an address to nobody but its owner, whoever asks", () => {
    for (const type of [discover, request]) {
      const answer = ask({ type, mac: "020000000006", options: requested5 });
      assert.equal(answer?.to, "10.0.1.6");
      assert.ok(!answer.message.subarray(0, 240).includes(Buffer.from("0a000105", "hex")));
    }
  });

  test("answers whatever arrives with silence, or to its own client at its own address", () => {
    const arrives = damaged(message({ type: request, options: requested5 + server }));
    fc.assert(
      fc.property(arrives, (bytes) => {
        const answer = answerDhcp(bytes, network);
        if (!answer) return;
        assert.ok(["10.0.1.5", "10.0.1.6"].includes(answer.to));
        assert.deepEqual(answer.message.subarray(4, 8), bytes.subarray(4, 8), "the transaction it asked in");
        assert.ok(["0.0.0.0", answer.to].includes(answer.message.subarray(16, 20).join(".")));
      }),
      { numRuns: 5_000 },
    );
  });
});

const ask = (fields: Parameters<typeof message>[0]) => answerDhcp(message(fields), network);

const message = (fields: {
  type: string | undefined;
  options?: string;
  op?: string;
  htype?: string;
  ciaddr?: string;
  giaddr?: string;
  mac?: string;
  cookie?: string;
  end?: string;
}): Buffer => {
  const { type, options = "", op = "01", htype = "01", cookie = "63825363", end = "ff" } = fields;
  const { ciaddr = "00000000", giaddr = "00000000", mac = "020000000005" } = fields;
  return Buffer.from(
    `${op}${htype}0600` +
      "12345678" +
      "00078000" +
      `${ciaddr}0000000000000000${giaddr}` +
      `${mac}${"00".repeat(10)}` +
      "00".repeat(192) +
      `${cookie}3501${type}${options}${end}`,
    "hex",
  );
};
