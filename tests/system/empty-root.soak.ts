import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { checkout } from "#checkout.ts";
import { run } from "#drivers/linux/commands.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { until } from "../until.ts";
import { makeRoot, startContainer } from "./container.ts";
import { containedRegion } from "./first-instance.ts";

test("in a container with nothing but node and npm a release installs, says which library it needs, and its first start makes a region in which an instance boots", async (t) => {
  const directory = await temporaryDirectory(t);
  const root = join(directory, "root");
  mkdirSync(root);
  const made = await run(process.execPath, [join(checkout, "tools/release.ts"), directory], {
    timeoutMs: 300_000,
  });
  // curl is for the test, which asks for an instance by it.
  await makeRoot(root, ["nodejs", "npm", "curl"]);
  copyFileSync(made.trim(), join(root, "srv", basename(made.trim())));
  await using container = await startContainer("croft-test-empty", root, ["sleep", "infinity"]);

  await container.run("npm", "install", "-g", `/srv/${basename(made.trim())}`);
  await assert.rejects(container.run("croft", "--version"), {
    message:
      /croft: Node 26 needs libatomic\.so\.1: apt install -y libatomic1 libstdc\+\+6, then run the same again/,
  });
  await container.run("apt-get", "update");
  await container.run("apt-get", "install", "-y", "libatomic1", "libstdc++6");
  const [file, ...args] = container.inside("croft", "up", "--yes");
  const region = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  for await (const part of region.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false }))
    if ((said += part).includes("croft: ready")) break;
  assert.match(said, /^croft: ready http:\/\/127\.0\.0\.1:4566$/m);

  const { launch, untilWell } = await containedRegion(container, "croft");
  const instance = await launch();
  await untilWell(instance);
  const console = await until(
    () => container.run("croft", "logs", instance),
    (text) => text.includes("login:"),
    180_000,
  );
  assert.match(console, /login:/);

  const end = once(region, "exit");
  await container.run("croft", "destroy", "--yes", "--purge");
  assert.deepEqual(await end, [0, null]);
  const left = await container.run(
    "sh",
    "-c",
    "ls /var/lib /var/cache /run/netns /sys/class/net | grep croft || true",
  );
  assert.equal(left, "");
});
