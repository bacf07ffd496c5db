import type { ProtocolName } from "#wire/table.ts";
import { modelledSdk } from "./modelled-sdk.ts";

/** A service whose wire is generated: from which SDK package, and what the package no longer tells. */
export interface WireServiceRow {
  /** The name in the credential scope, and of the generated file. */
  readonly signingName: string;
  /** Absent: the registry has none with schemas, and botocore's model stands in for it. */
  readonly package?: string;
  readonly sdk: () => Promise<object>;
  /** The name of the package's client class. */
  readonly client: string;
  /** Input members (`Struct.Member`) that take fractions; the SDK no longer tells them from integers. */
  readonly floats?: readonly string[];
  /** The code it answers for input that breaks its schema, where it is not the protocol's. */
  readonly validationCode?: string;
  /** What the service understands beside the protocol its SDK speaks. */
  readonly furtherProtocols?: readonly ProtocolName[];
}

const minMax = (ranges: readonly string[]) => ranges.flatMap((range) => [`${range}.Min`, `${range}.Max`]);

export const wireServices: readonly WireServiceRow[] = [
  {
    signingName: "ec2",
    package: "@aws-sdk/client-ec2",
    sdk: () => import("@aws-sdk/client-ec2"),
    client: "EC2Client",
    floats: [
      "ClientData.UploadSize",
      "FleetLaunchTemplateOverridesRequest.Priority",
      "FleetLaunchTemplateOverridesRequest.WeightedCapacity",
      "LaunchTemplateOverrides.Priority",
      "LaunchTemplateOverrides.WeightedCapacity",
      "PriceScheduleSpecification.Price",
      "ReservationFleetInstanceSpecification.Weight",
      "ReservedInstanceLimitPrice.Amount",
      "SpotFleetLaunchSpecification.WeightedCapacity",
      "SpotFleetRequestConfigData.FulfilledCapacity",
      "SpotFleetRequestConfigData.OnDemandFulfilledCapacity",
      ...minMax(["MemoryGiBPerVCpu", "NetworkBandwidthGbps", "TotalLocalStorageGB"]),
      ...minMax(["MemoryGiBPerVCpuRequest", "NetworkBandwidthGbpsRequest", "TotalLocalStorageGBRequest"]),
    ],
  },
  {
    signingName: "sts",
    package: "@aws-sdk/client-sts",
    sdk: () => import("@aws-sdk/client-sts"),
    client: "STSClient",
  },
  {
    signingName: "kms",
    package: "@aws-sdk/client-kms",
    sdk: () => import("@aws-sdk/client-kms"),
    client: "KMSClient",
  },
  {
    signingName: "ssm",
    package: "@aws-sdk/client-ssm",
    sdk: () => import("@aws-sdk/client-ssm"),
    client: "SSMClient",
  },
  {
    signingName: "servicequotas",
    package: "@aws-sdk/client-service-quotas",
    sdk: () => import("@aws-sdk/client-service-quotas"),
    client: "ServiceQuotasClient",
    validationCode: "IllegalArgumentException",
    floats: [
      "PutServiceQuotaIncreaseRequestIntoTemplateRequest.DesiredValue",
      "RequestServiceQuotaIncreaseRequest.DesiredValue",
    ],
  },
  {
    signingName: "monitoring",
    package: "@aws-sdk/client-cloudwatch",
    sdk: () => import("@aws-sdk/client-cloudwatch"),
    client: "CloudWatchClient",
    floats: [
      "MetricDatum.Counts",
      "MetricDatum.Value",
      "MetricDatum.Values",
      "PutMetricAlarmInput.Threshold",
      "StatisticSet.Maximum",
      "StatisticSet.Minimum",
      "StatisticSet.SampleCount",
      "StatisticSet.Sum",
    ],
    furtherProtocols: ["rpc-cbor", "aws-query"],
  },
  {
    signingName: "logs",
    package: "@aws-sdk/client-cloudwatch-logs",
    sdk: () => import("@aws-sdk/client-cloudwatch-logs"),
    client: "CloudWatchLogsClient",
    validationCode: "InvalidParameterException",
    floats: ["MetricTransformation.defaultValue"],
  },
  {
    signingName: "iam",
    package: "@aws-sdk/client-iam",
    sdk: () => import("@aws-sdk/client-iam"),
    client: "IAMClient",
  },
  {
    signingName: "elasticloadbalancing",
    package: "@aws-sdk/client-elastic-load-balancing-v2",
    sdk: () => import("@aws-sdk/client-elastic-load-balancing-v2"),
    client: "ElasticLoadBalancingV2Client",
  },
  {
    signingName: "autoscaling",
    package: "@aws-sdk/client-auto-scaling",
    sdk: () => import("@aws-sdk/client-auto-scaling"),
    client: "AutoScalingClient",
    floats: [
      "ExecutePolicyType.BreachThreshold",
      "ExecutePolicyType.MetricValue",
      ...minMax(["MemoryGiBPerVCpuRequest", "NetworkBandwidthGbpsRequest", "TotalLocalStorageGBRequest"]),
      "PredictiveScalingMetricSpecification.TargetValue",
      "StepAdjustment.MetricIntervalLowerBound",
      "StepAdjustment.MetricIntervalUpperBound",
      "TargetTrackingConfiguration.TargetValue",
    ],
  },
  {
    signingName: "elasticfilesystem",
    package: "@aws-sdk/client-efs",
    sdk: () => import("@aws-sdk/client-efs"),
    client: "EFSClient",
    floats: [
      "CreateFileSystemRequest.ProvisionedThroughputInMibps",
      "UpdateFileSystemRequest.ProvisionedThroughputInMibps",
    ],
  },
  {
    signingName: "dlm",
    package: "@aws-sdk/client-dlm",
    sdk: () => import("@aws-sdk/client-dlm"),
    client: "DLMClient",
    validationCode: "InvalidRequestException",
  },
  {
    signingName: "ebs",
    package: "@aws-sdk/client-ebs",
    sdk: () => import("@aws-sdk/client-ebs"),
    client: "EBSClient",
  },
  {
    signingName: "rbin",
    sdk: () => modelledSdk("rbin"),
    client: "client",
  },
  {
    signingName: "s3",
    package: "@aws-sdk/client-s3",
    sdk: () => import("@aws-sdk/client-s3"),
    client: "S3Client",
  },
];
