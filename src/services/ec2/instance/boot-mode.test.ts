import assert from "node:assert/strict";
import { test } from "node:test";
import type { BootModeValues, InstanceBootModeValues, _InstanceType } from "@aws-sdk/client-ec2";
import { testImage, testRegion } from "#testing/region.ts";
import { currentBootMode } from "./boot-mode.ts";

const limit = { timeout: 20_000 };

const table: readonly [BootModeValues | undefined, _InstanceType, InstanceBootModeValues][] = [
  [undefined, "t3.micro", "legacy-bios"],
  [undefined, "m6g.large", "uefi"],
  ["legacy-bios", "t3.micro", "legacy-bios"],
  ["uefi", "t3.micro", "uefi"],
  ["uefi-preferred", "t3.micro", "uefi"],
  ["uefi-preferred", "t2.micro", "legacy-bios"],
];
for (const [bootMode, type, boots] of table)
  test(`a ${type} of an image whose boot mode is ${bootMode ?? "not said"} boots by ${boots}`, () => {
    assert.equal(currentBootMode({ type, ...(bootMode && { bootMode }) }), boots);
  });

test(
  "an instance of a UEFI image has UEFI, is found by it, and is refused types without it",
  limit,
  async (t) => {
    const region = await testRegion(t);
    const image = { ...testImage, id: "ami-0bbbbbbbbbbbbbbbb", bootMode: "uefi" } as const;
    const put = [{ key: region.records.key("image", image.id), value: image }];
    await region.feed.reached((await region.store.commit({ put })).revision);
    const launch = { ImageId: image.id, MinCount: 1, MaxCount: 1 };
    await assert.rejects(region.client.runInstances({ ...launch, InstanceType: "t2.micro" }), {
      name: "InvalidParameterValue",
      message: /^The t2\.micro instance type does not support an AMI with a boot mode of UEFI\./,
    });
    const { Instances: [instance] = [] } = await region.client.runInstances({
      ...launch,
      InstanceType: "t3.micro",
    });
    assert.deepEqual([instance?.BootMode, instance?.CurrentInstanceBootMode], ["uefi", "uefi"]);
    const Filters = [{ Name: "current-instance-boot-mode", Values: ["uefi"] }];
    assert.equal((await region.client.describeInstances({ Filters })).Reservations?.length, 1);
    const id = instance?.InstanceId ?? "";
    await region.until(() => region.machines.spec(id)?.boot.by === "uefi");
  },
);
