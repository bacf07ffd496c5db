import { instanceTypesNotFound, invalidParameter, unsupported } from "../errors.ts";
import type { ImageRecord } from "../image/image.ts";
import { instanceTypes, type InstanceType } from "../instance-type/instance-type.ts";

/** A type that an image, or an instance made of it, can run as. */
export function launchableType(
  id: string,
  { architecture, bootMode }: Pick<ImageRecord, "architecture" | "bootMode">,
): InstanceType {
  const type = instanceTypes.get(id);
  if (!type) throw instanceTypesNotFound([id]);
  if (type.bareMetal) throw unsupported(`Croft does not run bare metal instance types such as '${id}'.`);
  if (!type.architectures.some((it) => it === architecture))
    throw invalidParameter(
      `The architecture '${type.architectures.join(",")}' of the specified instance type does not match the architecture ` +
        `'${architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. ` +
        "You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
    );
  if (bootMode === "uefi" && !type.bootModes.includes("uefi"))
    throw invalidParameter(
      `The ${id} instance type does not support an AMI with a boot mode of UEFI. Only instance types built on the Nitro ` +
        "System support UEFI. Specify an instance type that supports UEFI, and try again.",
    );
  return type;
}
