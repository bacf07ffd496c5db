import assert from "node:assert/strict";
import { test } from "node:test";
import { outputWriters } from "./xml-output.ts";
import { XmlBody } from "./xml-body.ts";
import type { WireTable } from "./table.ts";

const table: WireTable = {
  protocols: ["ec2-query"],
  version: "",
  operations: {},
  shapes: [["struct", 0, [["Items", 1]]], ["list", 2, "item"], ["struct", 0, [["Name", 3]]], ["string"]],
};

test("what is frozen is written once, anything else as it is now", () => {
  const writer = outputWriters(table).value(0);
  const write = (value: object) => {
    const body = new XmlBody();
    writer(value, body);
    const whole = body.whole();
    return typeof whole === "string" ? whole : Buffer.concat(whole).toString();
  };
  let reads = 0;
  const item = {
    get Name() {
      return `read ${++reads}`;
    },
  };
  const told = (n: number) => `<Items><item><Name>read ${n}</Name></item></Items>`;
  assert.deepEqual([write({ Items: [item] }), write({ Items: [item] })], [told(1), told(2)]);
  Object.freeze(item);
  assert.deepEqual([write({ Items: [item] }), write({ Items: [item] })], [told(3), told(3)]);
  assert.equal(
    write({ Items: [item, { Name: "é" }, item] }),
    "<Items><item><Name>read 3</Name></item><item><Name>é</Name></item><item><Name>read 3</Name></item></Items>",
  );
});
