import assert from "node:assert/strict";
import { test } from "node:test";
import { hostNetworks, outboundRules } from "./outbound-rules.ts";

const host = { addresses: ["192.0.2.2/32"], connected: ["192.0.2.2/24"] };
/** The lines of the chain that judges what leaves. */
const outward = (to?: readonly string[]) => {
  const [, chain = ""] =
    /chain outward \{\n(.*?)\n  \}/s.exec(outboundRules({ inside: ["198.18.0.0/16"], to }, host)) ?? [];
  return chain.trim().split(/\n\s*/);
};

test("this host and its networks are closed, what was opened is asked for between the two", () => {
  const rules = outward(["192.0.2.0/24", "10.1.0.0/16"]);
  const at = (rule: string) => {
    assert.ok(rules.includes(rule), `${rule}\n${rules.join("\n")}`);
    return rules.indexOf(rule);
  };
  assert.ok(at("ip daddr 192.0.2.2/32 drop") < at("ip daddr 192.0.2.0/24 accept"));
  assert.ok(at("ip daddr 127.0.0.0/8 drop") < at("ip daddr 192.0.2.0/24 accept"));
  assert.ok(at("ip daddr 10.1.0.0/16 accept") < at("ip daddr 10.0.0.0/8 drop"));
  assert.ok(at("ip daddr 192.0.2.2/24 drop") < at("accept"));
});

test("without a way out nothing passes", () => assert.deepEqual(outward(), ["drop"]));

test("this host's addresses are those of all its links, in IPv4", () => {
  const link = { netmask: "", mac: "", scopeid: 0 };
  const found = hostNetworks({
    lo: [{ ...link, family: "IPv4", address: "127.0.0.1", cidr: "127.0.0.1/8", internal: true }],
    eth0: [
      { ...link, family: "IPv4", address: "192.0.2.2", cidr: "192.0.2.2/24", internal: false },
      { ...link, family: "IPv6", address: "fd00::2", cidr: "fd00::2/64", internal: false },
    ],
  });
  assert.deepEqual(found, {
    addresses: ["127.0.0.1/32", ...host.addresses],
    connected: ["127.0.0.1/8", ...host.connected],
  });
});
