import { ApiError } from "#api/error.ts";
import type { RuleDraft } from "./security-group/security-group-rule.ts";

/** EC2's own codes and sentences: SDK retry rules and people's scripts match on them. */
const error = (code: string, message: string, status?: number) =>
  new ApiError(code, message, status === undefined ? {} : { status });

const ids = (list: readonly string[]) => list.join(", ");
type Missing = (missing: readonly string[]) => ApiError;
const notFound =
  (code: string, what: string): Missing =>
  (missing) =>
    missing.length === 1
      ? error(code, `The ${what} ID '${missing[0]}' does not exist`)
      : error(code, `The ${what} IDs '${ids(missing)}' do not exist`);

/** What cannot be an id is told apart from what is none: a prefix and 8 or 17 hex digits. */
const unlessMalformed =
  (prefix: string, code: string, missing: Missing): Missing =>
  (list) => {
    const bad = list.find((id) => !new RegExp(`^${prefix}-([0-9a-f]{8}|[0-9a-f]{17})$`).test(id));
    return bad === undefined ? missing(list) : error(code, `Invalid id: "${bad}"`);
  };

export const instanceNotFound = unlessMalformed(
  "i",
  "InvalidInstanceID.Malformed",
  notFound("InvalidInstanceID.NotFound", "instance"),
);
export const subnetNotFound = unlessMalformed(
  "subnet",
  "InvalidSubnetID.Malformed",
  notFound("InvalidSubnetID.NotFound", "subnet"),
);
export const vpcNotFound = unlessMalformed(
  "vpc",
  "InvalidVpcID.Malformed",
  notFound("InvalidVpcID.NotFound", "vpc"),
);
export const networkInterfaceNotFound = unlessMalformed(
  "eni",
  "InvalidNetworkInterfaceId.Malformed",
  notFound("InvalidNetworkInterfaceID.NotFound", "networkInterface"),
);

export const volumeNotFound = ([id]: readonly string[]) =>
  error("InvalidVolume.NotFound", `The volume '${id}' does not exist.`);
export const snapshotNotFound = unlessMalformed("snap", "InvalidSnapshotID.Malformed", ([id]) =>
  error("InvalidSnapshot.NotFound", `The snapshot '${id}' does not exist.`),
);
export const snapshotNotAuthorized = (id: string) =>
  error("AuthFailure", `Not authorized for snapshot:${id}`);
export const importTaskNotFound = ([id]: readonly string[]) =>
  error("InvalidConversionTaskId", `The import task ID '${id}' does not exist.`);
export const importTaskOver = (id: string, state: string) =>
  error("IncorrectState", `The import task '${id}' is ${state} and cannot be canceled.`);
export const exportTaskNotFound = unlessMalformed("export-ami", "InvalidExportTaskID.Malformed", ([id]) =>
  error("InvalidExportTaskID.NotFound", `The export task ID '${id}' does not exist.`),
);
export const exportTaskOver = (id: string, state: string) =>
  error("IncorrectState", `The export task '${id}' is ${state} and cannot be canceled.`);
export const imageNotExportable = (id: string) =>
  error("NotExportable", `The image ID provided (${id}) belongs to another account and is not exportable.`);
export const encryptedNotExported = (id: string) =>
  error("NotExportable", `The image ID provided (${id}) has encrypted snapshots and is not exportable.`);
/** S3's own codes; its sentence for the first, and what is to be done. */
export const noBuckets = () =>
  error(
    "NoSuchBucket",
    "The specified bucket does not exist: a bucket is a folder of the directory that `croft start --export-dir DIR` names, and it names none.",
    404,
  );
export const bucketNotFound = () =>
  error(
    "NoSuchBucket",
    "The specified bucket does not exist: it is a folder of the directory of `croft start --export-dir`, which the operator makes.",
    404,
  );
export const invalidBucketName = () => error("InvalidBucketName", "The specified bucket is not valid.");
export const keyNotFound = () => error("NoSuchKey", "The specified key does not exist.", 404);
export const invalidObjectKey = (key: string) =>
  invalidParameter(
    `The key '${key.slice(0, 200)}' is invalid: of its names between slashes none is empty, '.' or '..', or has control characters or more than 255 bytes.`,
  );
export const notStored = (why: string) =>
  error("InvalidRequest", `The object is none that an image was stored as: ${why}`);
export const snapshotInState = (state: string) =>
  error("IncorrectState", `Snapshot is in invalid state - ${state}`);
export const snapshotInUse = (id: string, imageId: string) =>
  error("InvalidSnapshot.InUse", `The snapshot ${id} is currently in use by ${imageId}`);
export const invalidUserId = (id: string) => error("InvalidUserID.Malformed", `Invalid user id: "${id}"`);
export const tooManySnapshots = () =>
  error(
    "ConcurrentSnapshotLimitExceeded",
    "Maximum allowed in-progress snapshots for a single volume exceeded.",
  );
export const snapshotIsLocked = (id: string) =>
  error("OperationNotPermitted", `The snapshot '${id}' is locked and cannot be deleted.`);
export const lockIsCompliance = (id: string) =>
  error(
    "OperationNotPermitted",
    `The snapshot '${id}' is locked in compliance mode: its lock can only be made longer.`,
  );
export const snapshotNotLocked = (id: string) =>
  error("IncorrectState", `The snapshot '${id}' is not locked.`);
export const volumeInUse = (id: string, instanceId: string) =>
  error("VolumeInUse", `Volume ${id} is currently attached to ${instanceId}`);
export const volumeAttached = (id: string) =>
  error("VolumeInUse", `${id} is already attached to an instance`);
export const volumeNotAvailable = (id: string) => error("IncorrectState", `${id} is not 'available'.`);
export const volumeInState = (id: string, state: string) =>
  error("IncorrectState", `Volume '${id}' is in the '${state}' state.`);
export const instanceNotRunning = (id: string) =>
  error("IncorrectState", `Instance '${id}' is not 'running'.`);
export const volumeElsewhere = (id: string, instanceId: string) =>
  error(
    "InvalidVolume.ZoneMismatch",
    `The volume '${id}' is not in the same availability zone as instance '${instanceId}'`,
  );
export const volumeNotAttachedSo = (id: string, instanceId: string, device: string) =>
  error(
    "InvalidAttachment.NotFound",
    `The volume '${id}' is not attached to instance '${instanceId}' as device '${device}'.`,
  );
export const rootVolumeStays = (id: string, instanceId: string) =>
  error("OperationNotPermitted", `Unable to detach root volume '${id}' from instance '${instanceId}'`);
export const rootVolumeMissing = (instanceId: string, device: string) =>
  error(
    "InvalidParameterValue",
    `Invalid value '${instanceId}' for instanceId. Instance does not have a volume attached at root (${device})`,
  );
export const replaceRootVolumeTaskNotFound = unlessMalformed(
  "replacevol",
  "InvalidReplaceRootVolumeTaskId.Malformed",
  notFound("InvalidReplaceRootVolumeTaskId.NotFound", "replaceRootVolumeTask"),
);
export const rootIsBeingReplaced = (instanceId: string, taskId: string) =>
  error(
    "IncorrectState",
    `The root volume of instance '${instanceId}' is being replaced by task '${taskId}'.`,
  );
export const snapshotOfOtherRoot = (id: string, instanceId: string) =>
  error(
    "InvalidParameterValue",
    `The snapshot '${id}' was not created from a current or previous root volume of instance '${instanceId}'.`,
  );
export const noLaunchState = (volumeId: string) =>
  error("InvalidParameterValue", `The root volume '${volumeId}' was not created from a snapshot.`);
export const imageOfOtherKind = (id: string, instanceId: string, differs: string) =>
  error(
    "InvalidParameterValue",
    `The root volume of instance '${instanceId}' cannot be replaced from the AMI '${id}': ${differs}.`,
  );
export const invalidDeviceName = (device: string) =>
  error(
    "InvalidParameterValue",
    `Value (${device}) for parameter device is invalid. ${device} is not a valid EBS device name.`,
  );
export const deviceNameTaken = (device: string) =>
  error(
    "InvalidParameterValue",
    `Invalid value '${device}' for unixDevice. Attachment point ${device} is already in use`,
  );
export const tooManyVolumes = (limit: number) =>
  error(
    "AttachmentLimitExceeded",
    `You may attach up to ${limit} devices for this instance type. Please use a larger instance size to attach more volumes.`,
  );
export const noRoomForVolume = (why: string) =>
  error(
    "InsufficientVolumeCapacity",
    `There is not enough capacity to fulfill your EBS volume provision request. ${why}`,
    500,
  );
export const invalidVolumeSize = (type: string, size: number, min: number, max: number) =>
  error(
    "InvalidParameterValue",
    `The volume size is invalid for ${type} volumes: ${size} GiB. ${
      size > max
        ? `${type} volumes must be at most ${max} GiB in size. Please specify a volume size below the maximum limit.`
        : `${type} volumes must be at least ${min} GiB in size. Please specify a volume size above the minimum limit.`
    }`,
  );
export const smallerThanSnapshot = (code: string, size: number, snapshotId: string, least: number) =>
  error(code, `Volume of size ${size}GB is smaller than snapshot '${snapshotId}', expect size >= ${least}GB`);
export const invalidMapping = (message: string) => error("InvalidBlockDeviceMapping", message);
export const volumeShrinks = () =>
  error("InvalidParameterValue", "New size cannot be smaller than existing size");
export const wrongModificationState = (id: string, state: string) =>
  error("IncorrectModificationState", `Cannot modify volume ${id} in modification state ${state}`);
export const modificationNotFound = (id: string) =>
  error("InvalidVolumeModification.NotFound", `Modification for volume '${id}' does not exist.`);
export const iopsNotSupported = (type: string) =>
  error("InvalidParameterCombination", `The parameter iops is not supported for ${type} volumes.`);
export const multiAttachNotSupported = (type: string) =>
  error(
    "InvalidParameterCombination",
    `The parameter multiAttachEnabled is not supported for ${type} volumes.`,
  );
/** Of a volume that several instances may have. */
export const multiAttachStays = (id: string, type: string, what: string) =>
  error(
    "UnsupportedOperation",
    `The ${what} of volume '${id}' cannot be modified: Multi-Attach is enabled on ${type}.`,
  );
export const multiAttachWhileAttached = (id: string) =>
  error(
    "IncorrectState",
    `Multi-Attach of volume '${id}' cannot be enabled or disabled while it is attached.`,
  );
export const multiAttachNotBooted = (id: string) =>
  error("UnsupportedOperation", `Multi-Attach is enabled for volume '${id}': it cannot be a boot volume.`);
export const multiAttachNeedsNitro = (id: string, type: string) =>
  error(
    "UnsupportedOperation",
    `Multi-Attach is enabled for volume '${id}': it cannot be attached to ${type}, which is not built on the Nitro System.`,
  );
export const tooManyAttachments = (id: string, most: number) =>
  error(
    "AttachmentLimitExceeded",
    `Volume '${id}' is attached to ${most} instances, the most that it may be.`,
  );
export const iopsNeeded = (type: string) =>
  error("InvalidParameterCombination", `The parameter iops must be specified for ${type} volumes.`);
export const invalidIops = (iops: number, min: number, max: number) =>
  error(
    "InvalidParameterValue",
    iops > max
      ? `Volume iops of ${iops} is too high; maximum is ${max}.`
      : `Volume iops of ${iops} is too low; minimum is ${min}.`,
  );
export const iopsPerGiB = (ratio: number, most: number) =>
  error(
    "InvalidParameterValue",
    `Iops to volume size ratio of ${ratio.toFixed(6)} is too high; maximum is ${most}`,
  );
export const throughputNotSupported = () =>
  error("InvalidParameterCombination", "throughput can only be specified for volumeType gp3.");
export const invalidThroughput = (throughput: number, min: number, max: number) =>
  error(
    "InvalidParameterValue",
    throughput > max
      ? `Throughput of ${throughput} MiBps is too high; maximum is ${max} MiBps.`
      : `Throughput of ${throughput} MiBps is too low; minimum is ${min} MiBps.`,
  );
export const throughputPerIops = (ratio: number, most: number) =>
  error(
    "InvalidParameterValue",
    `Throughput (MiBps) to iops ratio of ${ratio.toFixed(6)} is too high; maximum is ${most.toFixed(6)} MiBps per iops.`,
  );
export const imageNotFound = unlessMalformed("ami", "InvalidAMIID.Malformed", (missing) =>
  missing.length === 1
    ? error("InvalidAMIID.NotFound", `The image id '[${missing[0]}]' does not exist`)
    : error("InvalidAMIID.NotFound", `The image ids '[${ids(missing)}]' do not exist`),
);
export const imageNotAuthorized = (id: string) => error("AuthFailure", `Not authorized for image:${id}`);
export const imageStorageNotShared = () =>
  error("InvalidRequest", "You do not have permission to access the storage of this ami");
export const imageNotLaunchable = (id: string) =>
  error("InvalidAMIID.Unavailable", `The image ID '${id}' is not available`);
export const imageProtected = (id: string) =>
  error("OperationNotPermitted", `The image '${id}' is protected from deregistration`);
export const imageNotShared = () =>
  error(
    "OperationNotPermitted",
    "You can’t publicly share this image because block public access for AMIs is enabled for this account. To publicly share the image, you must call the DisableImageBlockPublicAccess API.",
  );
export const invalidLaunchPermission = (value: string, type: string) =>
  error("InvalidAMIAttributeItemValue", `Invalid attribute item value "${value}" for ${type} item type.`);
export const malformedImageName = () =>
  error(
    "InvalidAMIName.Malformed",
    "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'",
  );
export const instanceNotImageable = (id: string) =>
  error(
    "InvalidParameterValue",
    `Invalid value '${id}' for instanceId. Instance is not in state 'running' or 'stopping' or 'stopped'`,
  );
export const imageNameTaken = (name: string, id: string) =>
  error("InvalidAMIName.Duplicate", `AMI name ${name} is already in use by AMI ${id}`);
export const securityGroupNotFound = unlessMalformed("sg", "InvalidGroupId.Malformed", ([id]) =>
  error("InvalidGroup.NotFound", `The security group '${id}' does not exist`),
);
export const securityGroupNameNotFound = (name: string, vpcId: string) =>
  error("InvalidGroup.NotFound", `The security group '${name}' does not exist in VPC '${vpcId}'`);
export const defaultGroupNameNotFound = (name: string, vpcId: string) =>
  error("InvalidGroup.NotFound", `The security group '${name}' does not exist in default VPC '${vpcId}'`);
export const groupAssociated = (id: string, vpcId: string) =>
  error("Resource.AlreadyAssociated", `resource ${id} is already associated with network ${vpcId}`);
export const groupNotAssociated = (id: string, vpcId: string) =>
  error("InvalidAssociation.NotFound", `resource ${id} is not associated with network ${vpcId}`);
/** "InvalidParameter" is AWS's own word here, not "InvalidParameterValue". */
export const groupElsewhere = (id: string, subnetId: string) =>
  error("InvalidParameter", `Security group ${id} and subnet ${subnetId} belong to different networks.`);
/** A group that is in another VPC than what names it. */
export const differentNetworks = () =>
  error("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.");
export const keyPairNotFound = (name: string) =>
  error("InvalidKeyPair.NotFound", `The key pair '${name}' does not exist`);
export const keyPairIdNotFound = (id: string) =>
  error("InvalidKeyPair.NotFound", `The key pair ID '${id}' does not exist`);
export const resourceNotFound = (id: string) => error("InvalidID", `The ID '${id}' is not valid`);
export const tooManyTags = () =>
  error("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.");
export const instanceTypesNotFound = (types: readonly string[]) =>
  error("InvalidInstanceType", `The following supplied instance types do not exist: [${ids(types)}]`);
export const zoneNotFound = (zone: string) =>
  error("InvalidParameterValue", `Invalid availability zone: [${zone}]`);
export const regionNotFound = (region: string) =>
  error("InvalidParameterValue", `Invalid region: [${region}]`);

export const invalidParameter = (message: string) => error("InvalidParameterValue", message);
export const tooManyFilterValues = (most: number) =>
  error("FilterLimitExceeded", `The maximum number of filter values specified on a single call is ${most}`);
export const kmsKeyWithoutEncrypted = () =>
  error("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.");
export const encryptedStaysSo = () =>
  invalidCombination("What is made of an encrypted snapshot is encrypted: Encrypted cannot be false.");
export const defaultKeyNotShared = () =>
  error("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared");
export const encryptedNotPublic = () =>
  error("OperationNotPermitted", "Encrypted snapshots cannot be shared with everybody");
export const imageKeyNotShared = () =>
  invalidParameter("Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot.");
export const encryptedImageNotPublic = () =>
  invalidParameter("Images with encrypted snapshots cannot be shared with everybody.");
export const invalidCombination = (message: string) => error("InvalidParameterCombination", message);
/** `names` as the request has them; AWS spells them with a small letter. */
export const severalAttributes = (names: readonly string[]) =>
  invalidCombination(
    `Fields for multiple attribute types specified: ${names.map((it) => it.charAt(0).toLowerCase() + it.slice(1)).join(", ")}`,
  );
export const exclusiveParameters = (one: string, other: string) =>
  invalidCombination(`The parameter '${one}' may not be used in combination with '${other}'.`);
export const malformedCidr = (text: string) => invalidParameter(`CIDR block ${text} is malformed`);
export const missingParameter = (name: string) =>
  error("MissingParameter", `The request must contain the parameter ${name}`);
export const unsupported = (message: string) => error("UnsupportedOperation", message);
export const unsupportedParameter = (name: string) =>
  error("UnsupportedOperation", `Croft does not serve the parameter ${name} yet.`);

export const dependencyViolation = (message: string) => error("DependencyViolation", message);
export const duplicateKeyPair = () => error("InvalidKeyPair.Duplicate", "The keypair already exists");
export const duplicateGroup = (name: string, vpcId: string) =>
  error("InvalidGroup.Duplicate", `The security group '${name}' already exists for VPC '${vpcId}'`);
export const duplicateRule = ({ peer, protocol, fromPort, toPort }: RuleDraft) => {
  const [source] = Object.values<string>(peer);
  const traffic =
    protocol === "-1" ? "ALL, " : `${protocol.toUpperCase()}, from port: ${fromPort}, to port: ${toPort}, `;
  return error(
    "InvalidPermission.Duplicate",
    `the specified rule "peer: ${source}, ${traffic}ALLOW" already exists`,
  );
};
export const repeatedRule = () => invalidParameter("The same permission must not appear multiple times");
export const ruleNotFound = () =>
  error("InvalidPermission.NotFound", "The specified rule does not exist in this security group.");
const ruleIdsNotFound = unlessMalformed("sgr", "InvalidSecurityGroupRuleId.Malformed", ([id]) =>
  error("InvalidSecurityGroupRuleId.NotFound", `The security group rule ID '${id}' does not exist`),
);
export const securityGroupRuleIdNotFound = (id: string) => ruleIdsNotFound([id]);
export const tooManyRules = () =>
  error(
    "RulesPerSecurityGroupLimitExceeded",
    "The maximum number of rules per security group has been reached.",
  );
export const tooManySecurityGroups = (vpcId: string) =>
  error(
    "SecurityGroupLimitExceeded",
    `The maximum number of security groups for VPC '${vpcId}' has been reached.`,
  );
export const cannotDeleteDefaultGroup = (id: string) =>
  error("CannotDelete", `the specified group: "${id}" name: "default" cannot be deleted by a user`);

export const incorrectInstanceState = (id: string, what: string) =>
  error("IncorrectInstanceState", `The instance '${id}' is not in a state from which it can be ${what}.`);
export const terminationProtected = (id: string) =>
  error(
    "OperationNotPermitted",
    `The instance '${id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`,
  );
export const stopProtected = (id: string) =>
  error(
    "OperationNotPermitted",
    `The instance '${id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.`,
  );
export const idempotentMismatch = () =>
  error(
    "IdempotentParameterMismatch",
    "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
  );
export const idempotentInstanceTerminated = () =>
  error(
    "IdempotentInstanceTerminated",
    "The client token was used for a launch whose instances have been terminated.",
  );
export const insufficientCapacity = (type: string, zone: string, why: string) =>
  error(
    "InsufficientInstanceCapacity",
    `We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${zone}). ${why}`,
    500,
  );
export const instanceLimitExceeded = (asked: number, limit: number) =>
  error(
    "InstanceLimitExceeded",
    `You have requested more instances (${asked}) than one request may launch here (${limit}).`,
  );
export const addressInUse = (address: string) =>
  error("InvalidIPAddress.InUse", `Address ${address} is in use.`);
export const noFreeAddresses = (subnetId: string) =>
  error(
    "InsufficientFreeAddressesInSubnet",
    `There are not enough free addresses in subnet '${subnetId}' to satisfy the requested number of instances.`,
  );
export const noFreePrefixes = () =>
  error(
    "InsufficientCidrBlocks",
    "The specified subnet does not have enough free cidr blocks to satisfy the request.",
  );
export const noFreePublicAddresses = () =>
  error("InsufficientAddressCapacity", "There is no free address left in the pool of public addresses.");

export const incorrectState = (id: string, state: string) =>
  error("IncorrectInstanceState", `The instance '${id}' is not in the '${state}' state.`);
export const invalidInstanceAttribute = (message: string) => error("InvalidInstanceAttributeValue", message);
export const manyInterfaces = (id: string) =>
  error(
    "InvalidInstanceID",
    `There are multiple interfaces attached to instance '${id}'. Please specify an interface ID for the operation instead.`,
  );
export const creditsNotSupported = ([id = ""]: readonly string[]) =>
  error("InstanceCreditSpecification.NotSupported", creditsNotSupportedMessage(id));
export const creditsNotSupportedMessage = (id: string) =>
  `The instance '${id}' is not a burstable performance instance and has no credit specification.`;

export const launchTemplateIdNotFound = ([id]: readonly string[]) =>
  error(
    "InvalidLaunchTemplateId.NotFound",
    `The specified launch template, with template ID ${id}, does not exist.`,
  );
export const launchTemplateNameNotFound = (name: string) =>
  error(
    "InvalidLaunchTemplateName.NotFoundException",
    `The specified launch template, with template name ${name}, does not exist.`,
  );
export const launchTemplateVersionNotFound = (id: string, version: string) =>
  error(
    "InvalidLaunchTemplateId.VersionNotFound",
    `Could not find the specified version ${version} for the launch template with ID ${id}.`,
  );
export const invalidLaunchTemplateName = () =>
  error(
    "InvalidLaunchTemplateName.MalformedException",
    "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _.",
  );
export const duplicateLaunchTemplate = () =>
  error("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.");

export const placementGroupNotFound = (name: string) =>
  error("InvalidPlacementGroup.Unknown", `The Placement Group '${name}' is unknown.`);
export const duplicatePlacementGroup = (name: string) =>
  error("InvalidPlacementGroup.Duplicate", `The Placement Group '${name}' already exists.`);
export const placementGroupInUse = (name: string) =>
  error("InvalidPlacementGroup.InUse", `The placement group '${name}' is in use and may not be deleted.`);
export const placementGroupInOtherZone = (name: string, zone: string) =>
  error(
    "InvalidPlacementGroup.InUse",
    `The placement group '${name}' is in use in another availability zone: ${zone}`,
  );
export const placementGroupFull = (name: string, zone: string, most: number) =>
  error(
    "InstanceLimitExceeded",
    `The spread placement group '${name}' may have up to ${most} running instances in the Availability Zone ${zone}.`,
  );

export const allocationNotFound = notFound("InvalidAllocationID.NotFound", "allocation");
export const addressesNotFound = (addresses: readonly string[]) =>
  error("InvalidAddress.NotFound", `Address '${addresses[0]}' not found.`);
export const addressNotNamed = () =>
  error("MissingParameter", "Either public IP or allocation id must be specified");
export const addressNotOwned = (address: string) =>
  error("AuthFailure", `The address '${address}' does not belong to you.`);
export const tooManyAddresses = () =>
  error("AddressLimitExceeded", "The maximum number of addresses has been reached.");
export const addressAssociated = (allocationId: string, associationId: string) =>
  error(
    "Resource.AlreadyAssociated",
    `resource ${allocationId} is already associated with associate-id ${associationId}`,
  );
export const noInternetGateway = (vpcId: string) =>
  error("Gateway.NotAttached", `Network ${vpcId} is not attached to any internet gateway`);
export const instanceNotReady = (state: string, id: string) =>
  error("InvalidInstanceID", `The ${state} instance '${id}' is not in a valid state for this operation.`);
export const instanceOfInterfaceNotReady = (state: string, id: string) =>
  error(
    "IncorrectInstanceState",
    `The ${state} instance to which '${id}' is attached is not in a valid state for this operation.`,
  );
export const associationNotFound = (id: string) =>
  error("InvalidAssociationID.NotFound", `The association ID '${id}' does not exist`);

export const noSuchAssociation = (id: string) =>
  error("NoSuchAssociation", `An invalid association-id of '${id}' was given`);
export const profileAssociated = (instanceId: string) =>
  error("IncorrectState", `There is an existing association for instance ${instanceId}`);
export const associationNotActive = (id: string) =>
  error("IncorrectState", `The association ${id} is not the active association`);
export const neitherRunningNorStopped = (id: string) =>
  error("IncorrectInstanceState", `The instance '${id}' is not in the 'running' or 'stopped' states.`);

/** What AWS itself manages for its user. */
export const notPermitted = () =>
  error("AuthFailure", "You do not have permission to access the specified resource.");
export const interfaceInUse = (id: string) =>
  invalidParameter(`Network interface '${id}' is currently in use.`);
export const interfaceAttached = (id: string) =>
  error("InvalidNetworkInterface.InUse", `Interface: [${id}] in use.`);
export const interfacePermissionNotFound = ([id = ""]: readonly string[]) =>
  error("InvalidPermissionID.NotFound", `The network interface permission ID '${id}' does not exist`);
export const interfacePermissionExists = (id: string) =>
  error("InvalidPermission.Duplicate", `The permission for network interface '${id}' already exists`);
export const interfacePermissionInUse = (id: string, interfaceId: string) =>
  error(
    "OperationNotPermitted",
    `The permission '${id}' may not be deleted while network interface '${interfaceId}' is attached by its account.`,
  );
export const attachmentNotFound = (id: string) =>
  error("InvalidAttachmentID.NotFound", `The attachment ID '${id}' does not exist`);
export const attachmentLimitExceeded = (count: number, type: string) =>
  error("AttachmentLimitExceeded", `Interface count ${count} exceeds the limit for ${type}`);
export const deviceIndexTaken = (instanceId: string, index: number) =>
  invalidParameter(`Instance '${instanceId}' already has an interface attached at device index '${index}'.`);
export const interfaceElsewhere = () =>
  invalidCombination(
    "You may not attach a network interface to an instance if they are not in the same availability zone",
  );
export const otherServicesAttachment = () =>
  error("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.");
export const primaryInterfaceStays = () =>
  error(
    "OperationNotPermitted",
    "The network interface at device index 0 and networkCard index 0 cannot be detached.",
  );
export const tooManyInterfaces = () =>
  error("NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached.");
export const tooManyPrivateAddresses = () =>
  error("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.");

const inNetwork = (prefix: string, name: string, what: string): Missing =>
  unlessMalformed(prefix, `Invalid${name}Id.Malformed`, notFound(`Invalid${name}ID.NotFound`, what));
export const routeTableNotFound = inNetwork("rtb", "RouteTable", "routeTable");
export const internetGatewayNotFound = inNetwork("igw", "InternetGateway", "internetGateway");

/** `what` as AWS spells it: "vpc", "subnet", "routeTable". */
export const hasDependencies = (what: string, id: string) =>
  dependencyViolation(`The ${what} '${id}' has dependencies and cannot be deleted.`);

export const invalidVpcRange = (cidr: string) => error("InvalidVpc.Range", `The CIDR '${cidr}' is invalid.`);
export const vpcRangeConflict = (cidr: string) =>
  error("InvalidVpc.Conflict", `The CIDR '${cidr}' conflicts with another CIDR block of the VPC or a route.`);
export const tooManyVpcs = () => error("VpcLimitExceeded", "The maximum number of VPCs has been reached.");
export const tooManyRanges = (limit: number) =>
  error("CidrLimitExceeded", `This network has met its maximum number of allowed CIDRs: ${limit}`);
export const rangeAssociationNotFound = (id: string) =>
  error(
    "InvalidVpcCidrBlockAssociationID.NotFound",
    `The vpc CIDR block with association ID ${id} does not exist`,
  );
export const primaryRange = (id: string) =>
  error(
    "OperationNotPermitted",
    `The vpc CIDR block with association ID ${id} may not be disassociated. It is the primary IPv4 CIDR block of the VPC`,
  );
/** Of what is meant to be in the default VPC when nothing else is said. */
export const noDefaultVpc = () => error("VPCIdNotSpecified", "No default VPC for this user");
export const defaultVpcMissing = () =>
  error("DefaultVpcDoesNotExist", "No default VPC exists for this account in this region.");
export const defaultVpcExists = () =>
  error("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.");

export const invalidSubnetRange = (cidr: string) =>
  error("InvalidSubnet.Range", `The CIDR '${cidr}' is invalid.`);
export const subnetConflict = (cidr: string) =>
  error("InvalidSubnet.Conflict", `The CIDR '${cidr}' conflicts with another subnet`);
export const tooManySubnets = () =>
  error("SubnetLimitExceeded", "The maximum number of subnets has been reached.");
export const defaultSubnetExists = (zone: string) =>
  error("DefaultSubnetAlreadyExistsInAvailabilityZone", `A default subnet already exists in ${zone}.`);

export const gatewayAttached = (id: string, vpcId: string) =>
  error("Resource.AlreadyAssociated", `resource ${id} is already attached to network ${vpcId}`);
export const gatewayNotAttached = (id: string, vpcId: string) =>
  error("Gateway.NotAttached", `resource ${id} is not attached to network ${vpcId}`);
export const natGatewayNotFound = unlessMalformed("nat", "NatGatewayMalformed", ([id]) =>
  error("NatGatewayNotFound", `NAT gateway ${id} was not found`),
);
export const natGatewayTargetNotFound = (id: string) =>
  error("InvalidNatGatewayID.NotFound", `The natGateway ID '${id}' does not exist`);
export const natGatewayDraining = (id: string) =>
  error(
    "IncorrectState",
    `NAT gateway ${id} is draining addresses; others can be associated or disassociated once that is over.`,
  );
export const natGatewayNotAvailable = (id: string, state: string) =>
  error("IncorrectState", `NAT gateway ${id} is ${state}, not available.`);
export const tooManyNatGateways = (limit: number) =>
  error(
    "NatGatewayLimitExceeded",
    `Performing this operation would exceed the limit of ${limit} NAT gateways`,
  );
export const noAllocation = () =>
  error(
    "MissingParameter",
    "The request must include the AllocationId parameter. Add the required parameter and retry the request.",
  );
export const tooManyInternetGateways = () =>
  error("InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached.");

export const peeringNotFound = unlessMalformed(
  "pcx",
  "InvalidVpcPeeringConnectionId.Malformed",
  notFound("InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection"),
);
export const peeringExists = (id: string) =>
  error(
    "VpcPeeringConnectionAlreadyExists",
    `A VPC peering connection between the VPCs already exists: ${id}`,
  );
export const wrongPeeringState = (id: string) =>
  error(
    "InvalidStateTransition",
    `VpcPeeringConnectionID ${id} is not in the correct state for the request.`,
  );
/** Clients take what may not come "to deleting" for gone. */
export const peeringEnded = (id: string, state: string) =>
  error(
    "InvalidStateTransition",
    `Invalid state transition for ${id}, attempted to transition from ${state} to deleting`,
  );
export const peeringNotActive = (id: string) =>
  error(
    "OperationNotPermitted",
    `Peering ${id} is not active. Peering options can be added only to active peerings.`,
  );
export const namesOfPeersOff = () =>
  error(
    "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled",
    "To enable DNS hostname resolution for the VPC peering connection, DNS hostname support must be enabled for the VPCs.",
  );
export const tooManyPeerings = (vpcId: string) =>
  error(
    "ActiveVpcPeeringConnectionPerVpcLimitExceeded",
    `The maximum number of active VPC peering connections has been reached for ${vpcId}.`,
  );
export const tooManyPeeringRequests = () =>
  error(
    "OutstandingVpcPeeringConnectionLimitExceeded",
    "The maximum number of outstanding VPC peering connection requests has been reached.",
  );

export const vpcEndpointNotFound = unlessMalformed("vpce", "InvalidVpcEndpointId.Malformed", ([id]) =>
  error("InvalidVpcEndpointId.NotFound", `The Vpc Endpoint Id '${id}' does not exist`),
);
/** In the list of those that DeleteVpcEndpoints could not delete. */
export const vpcEndpointGone = (id: string) =>
  error("InvalidVpcEndpoint.NotFound", `The VPC Endpoint '${id}' does not exist`);
/** The operations of endpoints spell the code with "Id". */
export const routeTableOfEndpointNotFound = unlessMalformed(
  "rtb",
  "InvalidRouteTableId.Malformed",
  notFound("InvalidRouteTableId.NotFound", "routeTable"),
);
export const endpointServiceNotFound = (name: string) =>
  error("InvalidServiceName", `The Vpc Endpoint Service '${name}' does not exist`);
export const tooManyVpcEndpoints = () =>
  error("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached.");
export const vpcEndpointRouteExists = (listId: string, tableId: string) =>
  error(
    "RouteAlreadyExists",
    `route table ${tableId} already has a route with destination-prefix-list-id ${listId}`,
  );
export const invalidPolicy = () =>
  error("InvalidPolicyDocument", "The policy document is not a valid JSON policy document.");

/** Of a route's GatewayId, whatever kind of gateway it was to be. */
export const gatewayNotFound = (id: string) =>
  error("InvalidGatewayID.NotFound", `The gateway ID '${id}' does not exist`);
export const routeExists = (destination: string) =>
  error("RouteAlreadyExists", `The route identified by ${destination} already exists.`);
export const routeNotFound = (destination: string, tableId: string) =>
  error(
    "InvalidRoute.NotFound",
    `no route with destination-${destination.startsWith("pl-") ? "prefix-list-id" : "cidr-block"} ${destination} in route table ${tableId}`,
  );
/** ReplaceRoute has no code of its own for it. */
export const noRouteToReplace = (destination: string) =>
  invalidParameter(
    `There is no route defined for '${destination}' in the route table. Use CreateRoute instead.`,
  );
export const tooManyRoutes = (tableId: string) =>
  error(
    "RouteLimitExceeded",
    `The maximum number of routes in the route table '${tableId}' has been reached.`,
  );
export const tooManyRouteTables = () =>
  error("RouteTableLimitExceeded", "The maximum number of route tables has been reached.");
export const routeTableAssociated = (tableId: string) =>
  error(
    "Resource.AlreadyAssociated",
    `the specified association for route table ${tableId} conflicts with an existing association`,
  );

export const networkAclNotFound = unlessMalformed(
  "acl",
  "InvalidNetworkAclId.Malformed",
  notFound("InvalidNetworkAclID.NotFound", "networkAcl"),
);
export const dhcpOptionsNotFound = unlessMalformed(
  "dopt",
  "InvalidDhcpOptionsId.Malformed",
  notFound("InvalidDhcpOptionID.NotFound", "dhcpOption"),
);
/** DeleteDhcpOptions has a code of its own for it. */
export const dhcpOptionsGone = unlessMalformed(
  "dopt",
  "InvalidDhcpOptionsId.Malformed",
  notFound("InvalidDhcpOptionsID.NotFound", "dhcpOptions"),
);
export const tooManyNetworkAcls = () =>
  error("NetworkAclLimitExceeded", "The maximum number of network ACLs has been reached.");
export const cannotDeleteDefaultAcl = (id: string) =>
  invalidParameter(`cannot delete default network ACL ${id}`);
export const networkAclEntryExists = (number: number) =>
  error("NetworkAclEntryAlreadyExists", `The network acl entry identified by ${number} already exists.`);
export const networkAclEntryNotFound = (
  { number, egress }: { readonly number: number; readonly egress: boolean },
  aclId: string,
) =>
  error(
    "InvalidNetworkAclEntry.NotFound",
    `no ${egress ? "egress" : "ingress"} entry with number ${number} in network ACL ${aclId}`,
  );
export const tooManyNetworkAclEntries = () =>
  error("NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached.");

export const cidrReservationNotFound = (id: string) =>
  error("InvalidSubnetCidrReservationID.NotFound", `The subnet CIDR reservation '${id}' does not exist`);
export const reservationOverlaps = (cidr: string) =>
  invalidParameter(`Reservation CIDR ${cidr} has overlap with existing reserved CIDR block`);
export const reservationOutsideSubnet = (cidr: string) =>
  invalidParameter(`Reservation CIDR ${cidr} is not within the subnet's CIDR block`);

export const prefixListNotFound = unlessMalformed(
  "pl",
  "InvalidPrefixListId.Malformed",
  notFound("InvalidPrefixListID.NotFound", "prefix list"),
);
/** DescribePrefixLists, of endpoints' lists, spells the code with "Id". */
export const endpointListNotFound = unlessMalformed(
  "pl",
  "InvalidPrefixListId.Malformed",
  notFound("InvalidPrefixListId.NotFound", "prefix list"),
);
export const prefixListVersionNotFound = (id: string, version: number) =>
  invalidParameter(`The prefix list '${id}' has no version ${version}.`);
export const prefixListVersionMismatch = () =>
  error("PrefixListVersionMismatch", "The prefix list has the incorrect version number.");
export const prefixListFull = () =>
  error("PrefixListMaxEntriesExceeded", "You've reached the maximum number of entries for the prefix list.");
export const prefixListEntryNotFound = (cidr: string) =>
  error("InvalidPrefixListModification", `The prefix list entry ${cidr} does not exist.`);
export const prefixListEntryExists = (cidr: string) =>
  error("InvalidPrefixListModification", `The prefix list entry ${cidr} already exists.`);
export const entriesAndSizeOfPrefixList = () =>
  invalidCombination(
    "You cannot modify the entries and the maximum number of entries for the prefix list in the same request.",
  );
export const tooManyPrefixLists = () =>
  error("PrefixListLimitExceeded", "The maximum number of prefix lists has been reached.");
