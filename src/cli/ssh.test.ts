import assert from "node:assert/strict";
import { test } from "node:test";
import { splitSshArguments } from "./ssh.ts";

test("what stands before the instance is ssh's, what follows is run there", () => {
  assert.deepEqual(splitSshArguments(["-i", "key.pem", "i-0123456789abcdef0", "uname", "-a"]), {
    options: ["-i", "key.pem"],
    instanceId: "i-0123456789abcdef0",
    remote: ["uname", "-a"],
  });
});

test("without an instance nothing is logged into", () => {
  assert.throws(() => splitSshArguments(["-i", "key.pem", "web-server"]), /which instance/);
});
