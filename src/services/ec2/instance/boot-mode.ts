import type { InstanceBootModeValues } from "@aws-sdk/client-ec2";
import { instanceTypes } from "../instance-type/instance-type.ts";
import type { InstanceRecord } from "./instance.ts";

/** What an instance boots by. Follows "Instance launch behavior with Amazon EC2 boot modes" of the EC2 user guide. */
export function currentBootMode({
  bootMode,
  type,
}: Pick<InstanceRecord, "bootMode" | "type">): InstanceBootModeValues {
  const { architectures, bootModes } = instanceTypes.get(type) ?? {};
  if (bootMode === "uefi-preferred") return bootModes?.includes("uefi") ? "uefi" : "legacy-bios";
  return bootMode ?? (architectures?.includes("arm64") ? "uefi" : "legacy-bios");
}
