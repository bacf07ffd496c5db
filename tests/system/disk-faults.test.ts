import { test } from "node:test";
import { diskFaults } from "./disk-faults.ts";

test("whatever is killed while snapshots are made, removed and merged, what was acknowledged is there; 30 rounds", async () => {
  await diskFaults(30, Date.now());
});
