import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { decode } from "jpeg-js";
import { testImage, testRegion } from "#testing/region.ts";
import type { ScreenshotRecord } from "./instance.ts";

const limit = { timeout: 20_000 };
const absent = "i-01230123012301230";

test("a screenshot is a JPEG of what the screen shows", limit, async (t) => {
  const { client, id, machines } = await running(t);
  const { InstanceId, ImageData = "" } = await client.getConsoleScreenshot({ InstanceId: id });
  assert.equal(InstanceId, id);
  const { width, height, data } = decode(Buffer.from(ImageData, "base64"));
  const screen = await machines.screenshot(id, { wake: false });
  assert.deepEqual([width, height], [screen?.width, screen?.height]);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [shown = 0, taken = 0] = [screen?.rgb[3 * pixel], data[4 * pixel]];
    assert.ok(Math.abs(shown - taken) < 64, `pixel ${pixel} is ${taken}, not ${shown}`);
  }
});

test(
  "only who asks for it wakes the guest, and each is answered with a picture of his own",
  limit,
  async (t) => {
    const { client, id, machines } = await running(t);
    const woken: boolean[] = [];
    const take = machines.screenshot.bind(machines);
    machines.screenshot = (of, options) => (woken.push(options.wake), take(of, options));
    await client.getConsoleScreenshot({ InstanceId: id });
    await client.getConsoleScreenshot({ InstanceId: id, WakeUp: true });
    assert.deepEqual(woken, [false, true]);
    const many = Array.from({ length: 8 }, () => client.getConsoleScreenshot({ InstanceId: id }));
    for (const { ImageData = "" } of await Promise.all(many)) assert.notEqual(ImageData, "");
  },
);

test("a screen full of noise fits into a record all the same", limit, async (t) => {
  const { client, id, machines } = await running(t);
  const [width, height] = [800, 600];
  const rgb = Buffer.alloc(3 * width * height);
  for (let at = 0, state = 1; at < rgb.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    rgb[at] = state >>> 24;
  }
  machines.screenshot = async () => ({ width, height, rgb });
  const { ImageData = "" } = await client.getConsoleScreenshot({ InstanceId: id });
  const decoded = decode(Buffer.from(ImageData, "base64"));
  assert.deepEqual([decoded.width, decoded.height], [width, height]);
});

test(
  "an instance that does not run, or that nobody knows, has no screen; a dry run wakes nobody",
  limit,
  async (t) => {
    const { client, id, machines, until, records } = await running(t);
    machines.screenshot = () => assert.fail("nobody asked");
    await assert.rejects(client.getConsoleScreenshot({ InstanceId: id, WakeUp: true, DryRun: true }), {
      name: "DryRunOperation",
    });
    await assert.rejects(client.getConsoleScreenshot({ InstanceId: absent }), {
      name: "InvalidInstanceID.NotFound",
    });
    await client.stopInstances({ InstanceIds: [id] });
    await until(() => records.get("instance", id)?.so.state === "stopped");
    await assert.rejects(client.getConsoleScreenshot({ InstanceId: id }), {
      name: "IncorrectInstanceState",
      message: `The instance '${id}' is not in the 'running' state.`,
    });
  },
);

test(
  "a screen that cannot be drawn is an error after ten seconds, and the operator is told why",
  limit,
  async (t) => {
    const { client, id, machines, errors } = await running(t);
    machines.screenshot = () => Promise.reject(new Error("no surface"));
    await assert.rejects(client.getConsoleScreenshot({ InstanceId: id }), { name: "InternalError" });
    assert.match(errors.join("\n"), /no surface[^]*took no picture/);
  },
);

test("no picture is taken that nobody waits for any longer", limit, async (t) => {
  const { id, records, machines, store } = await running(t);
  const taken = Promise.withResolvers<boolean>();
  machines.screenshot = async () => {
    taken.resolve(true);
    return undefined;
  };
  const wish = (until: string): ScreenshotRecord => ({
    id,
    wanted: { count: 1, wakeUp: true, until },
    so: { count: 0, jpeg: "" },
    tags: {},
    createdAt: until,
  });
  const key = records.key("screenshot", id);
  await store.commit({ put: [{ key, value: wish("2026-01-01T00:00:00.000Z") }] });
  assert.equal(await Promise.race([taken.promise, sleep(100, false)]), false);
  await store.commit({ put: [{ key, value: wish("9999-01-01T00:00:00.000Z") }] });
  assert.equal(await taken.promise, true);
});

async function running(t: TestContext) {
  const region = await testRegion(t);
  const launch = { ImageId: testImage.id, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;
  const { Instances: [instance] = [] } = await region.client.runInstances(launch);
  const id = instance?.InstanceId ?? "";
  await region.until(() => region.records.get("instance", id)?.so.state === "running");
  return { ...region, id };
}
