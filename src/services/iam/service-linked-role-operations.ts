import type * as iam from "@aws-sdk/client-iam";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { invalidInput, noSuchEntity, quotaExceeded } from "./errors.ts";
import { findRole, touching } from "./holder.ts";
import { useOfPolicy } from "./managed-policy.ts";
import { checkName, newUniqueId } from "./names.ts";
import type { LinkedRoleDeletionRecord, RoleRecord } from "./records.ts";
import { checkDescription, describeWholeRole, mostRoles } from "./role-operations.ts";

/** Roles that belong to a service of AWS's, which alone says what they may. */
export const serviceLinkedRoleOperations = {
  CreateServiceLinkedRole: {
    resolve(input, context) {
      const { records, now, random } = context;
      const { AWSServiceName: service, CustomSuffix: suffix } = input;
      const linked = linkedRoles.get(service);
      if (!linked) throw invalidInput(`${service} is no service that has a service-linked role here.`);
      if (suffix !== undefined && !linked.suffix)
        throw invalidInput(`Custom suffix is not allowed for ${service}`);
      const name = suffix === undefined ? linked.name : `${linked.name}_${suffix}`;
      checkName("roleName", name);
      const policy = `arn:aws:iam::aws:policy/aws-service-role/${linked.policy}`;
      const role: RoleRecord = {
        id: newUniqueId("AROA", random),
        name,
        path: `/aws-service-role/${service}/`,
        createdAt: now().toISOString(),
        tags: {},
        attached: [policy],
        inline: {},
        description: checkDescription(input.Description),
        trust: trustOf(service),
        trusted: {},
        maxSessionSeconds: 3600,
        linkedTo: service,
      };
      if (records.named("iam-role", name))
        throw invalidInput(
          `Service role name ${name} has been taken in this account, please try a different suffix.`,
        );
      if (records.all("iam-role").length >= mostRoles) throw quotaExceeded("RolesPerAccount", mostRoles);
      return {
        touches: touching("iam-role", { name, path: role.path }, context, { "iam:AWSServiceName": service }),
        transaction: records.create("iam-role", role, [useOfPolicy(policy, "attached", context)]),
        role,
      };
    },
    answer: ({ role }: { role: RoleRecord }, context) => ({ Role: describeWholeRole(role, context) }),
  },

  /** Nothing here uses such a role yet, so it is gone at once. */
  DeleteServiceLinkedRole: {
    resolve({ RoleName: name }, context) {
      const { records, now, random } = context;
      const role = findRole(name, context);
      const { linkedTo: service } = role;
      if (service === undefined)
        throw noSuchEntity(`The role with name ${name} is not a service-linked role.`);
      const id = [8, 4, 4, 4, 12]
        .map((length) => Array.from({ length }, () => random(16).toString(16)).join(""))
        .join("-");
      const deletion = { id, service, roleName: role.name, at: now().toISOString() };
      const leaving = role.attached.map((arn) => useOfPolicy(arn, "attached", context));
      const removal = records.removeRole(role, leaving);
      const forgotten = records
        .all("iam-linked-role-deletion")
        .filter(({ at }) => now().getTime() - Date.parse(at) > keptMs)
        .map((it) => records.key("iam-linked-role-deletion", it.id));
      return {
        touches: touching("iam-role", role, context, { "iam:AWSServiceName": service }),
        transaction: {
          ...removal,
          put: [{ key: records.key("iam-linked-role-deletion", id), value: deletion }],
          delete: [...(removal.delete ?? []), ...forgotten],
        },
        deletion,
      };
    },
    answer: ({ deletion }: DeletionPlan) => ({ DeletionTaskId: taskId(deletion) }),
  },

  GetServiceLinkedRoleDeletionStatus: {
    resolve({ DeletionTaskId: task }, context) {
      const deletion = context.records.get("iam-linked-role-deletion", task.split("/").at(-1) ?? "");
      if (!deletion || taskId(deletion) !== task)
        throw noSuchEntity(`The deletion task with ID ${task} cannot be found.`);
      const { service, roleName: name } = deletion;
      const role = { name, path: `/aws-service-role/${service}/` };
      return { touches: touching("iam-role", role, context, { "iam:AWSServiceName": service }) };
    },
    answer: () => ({ Status: "SUCCEEDED" }),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

interface DeletionPlan extends OperationPlan {
  readonly deletion: LinkedRoleDeletionRecord;
}

/** How long it can be asked about. */
const keptMs = 7 * 86_400_000;

const taskId = ({ id, service, roleName }: LinkedRoleDeletionRecord): string =>
  `task/aws-service-role/${service}/${roleName}/${id}`;

const trustOf = (service: string): string =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }],
  });

interface LinkedRole {
  readonly name: string;
  readonly policy: string;
  /** Whether there may be several, each with a suffix of its own. */
  readonly suffix?: true;
}

/** Of the services that Croft has to do with, or is to. AWS, "AWS services that work with IAM", and each service's page on its role. */
const linkedRoles: ReadonlyMap<string, LinkedRole> = new Map(
  Object.entries({
    "spot.amazonaws.com": { name: "AWSServiceRoleForEC2Spot", policy: "AWSEC2SpotServiceRolePolicy" },
    "spotfleet.amazonaws.com": {
      name: "AWSServiceRoleForEC2SpotFleet",
      policy: "AWSEC2SpotFleetServiceRolePolicy",
    },
    "ec2fleet.amazonaws.com": { name: "AWSServiceRoleForEC2Fleet", policy: "AWSEC2FleetServiceRolePolicy" },
    "ec2fastlaunch.amazonaws.com": {
      name: "AWSServiceRoleForEC2FastLaunch",
      policy: "EC2FastLaunchServiceRolePolicy",
    },
    "ec2-instance-connect.amazonaws.com": {
      name: "AWSServiceRoleForEC2InstanceConnect",
      policy: "Ec2InstanceConnectEndpoint",
    },
    "autoscaling.amazonaws.com": {
      name: "AWSServiceRoleForAutoScaling",
      policy: "AutoScalingServiceRolePolicy",
      suffix: true,
    },
    "elasticloadbalancing.amazonaws.com": {
      name: "AWSServiceRoleForElasticLoadBalancing",
      policy: "AWSElasticLoadBalancingServiceRolePolicy",
    },
    "rds.amazonaws.com": { name: "AWSServiceRoleForRDS", policy: "AmazonRDSServiceRolePolicy" },
    "elasticfilesystem.amazonaws.com": {
      name: "AWSServiceRoleForAmazonElasticFileSystem",
      policy: "AmazonElasticFileSystemServiceRolePolicy",
    },
    "transitgateway.amazonaws.com": {
      name: "AWSServiceRoleForVPCTransitGateway",
      policy: "AWSVPCTransitGatewayServiceRolePolicy",
    },
    "ssm.amazonaws.com": { name: "AWSServiceRoleForAmazonSSM", policy: "AmazonSSMServiceRolePolicy" },
    "servicequotas.amazonaws.com": {
      name: "AWSServiceRoleForServiceQuotas",
      policy: "ServiceQuotasServiceRolePolicy",
    },
    "events.amazonaws.com": {
      name: "AWSServiceRoleForCloudWatchEvents",
      policy: "CloudWatchEventsServiceRolePolicy",
    },
    "mrk.kms.amazonaws.com": {
      name: "AWSServiceRoleForKeyManagementServiceMultiRegionKeys",
      policy: "AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy",
    },
  }),
);
