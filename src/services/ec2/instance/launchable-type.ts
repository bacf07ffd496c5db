import type { ArchitectureValues } from "@aws-sdk/client-ec2";
import { instanceTypesNotFound, invalidParameter, unsupported } from "../errors.ts";
import { instanceTypes, type InstanceType } from "../instance-type/instance-type.ts";

/** A type that an image or instance of this architecture can run as. */
export function launchableType(id: string, architecture: ArchitectureValues): InstanceType {
  const type = instanceTypes.get(id);
  if (!type) throw instanceTypesNotFound([id]);
  if (type.bareMetal) throw unsupported(`Croft does not run bare metal instance types such as '${id}'.`);
  if (!type.architectures.some((it) => it === architecture))
    throw invalidParameter(
      `The architecture '${type.architectures.join(",")}' of the specified instance type does not match the architecture ` +
        `'${architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.`,
    );
  return type;
}
