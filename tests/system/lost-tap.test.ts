import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { after, before, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { hasLostTap, openTap } from "#drivers/linux/taps.ts";

const namespace = "croft-lt-one";
const device = "tap0";
const remove = () => run("ip", ["netns", "del", namespace]).catch(() => {});

before(remove);
after(remove);

test("a tap is lost with its device, and with the name of its namespace, also when another has that", async () => {
  await run("ip", ["netns", "add", namespace]);
  const [whole, other] = [openTap(namespace, device), openTap(namespace, "tap1")];
  const lost = (fd: number) => hasLostTap(process.pid, fd, namespace);
  assert.deepEqual([lost(whole), lost(other)], [false, false]);
  await run("ip", ["link", "del", "dev", "tap1"], { namespace });
  assert.deepEqual([lost(whole), lost(other)], [false, true]);
  await run("ip", ["netns", "del", namespace]);
  assert.equal(lost(whole), true);
  await run("ip", ["netns", "add", namespace]);
  assert.equal(lost(whole), true);
  for (const fd of [whole, other]) closeSync(fd);
});
