import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import { accountOperations } from "./account/account-operations.ts";
import { availabilityZoneOperations } from "./availability-zone/availability-zone-operations.ts";
import type { Ec2Context } from "./context.ts";
import { dhcpOptionsOperations } from "./dhcp-options/dhcp-options-operations.ts";
import { addressAssociationOperations } from "./elastic-ip/address-association-operations.ts";
import { elasticIpOperations } from "./elastic-ip/elastic-ip-operations.ts";
import { exportImageOperations } from "./export-task/export-image-operations.ts";
import { storeImageOperations } from "./export-task/store-image-operations.ts";
import { copyImageOperations } from "./image/copy-image-operations.ts";
import { newImageOperations } from "./image/new-image-operations.ts";
import { imageAttributeOperations } from "./image/image-attribute-operations.ts";
import { imageOperations } from "./image/image-operations.ts";
import { imageSettingsOperations } from "./image/image-settings-operations.ts";
import { imageStateOperations } from "./image/image-state-operations.ts";
import { importTaskOperations } from "./import-task/import-task-operations.ts";
import { newImportTaskOperations } from "./import-task/new-import-task-operations.ts";
import { instanceTypeOperations } from "./instance-type/instance-type-operations.ts";
import { instanceAttributeOperations } from "./instance/instance-attribute-operations.ts";
import { instanceProfileAssociationOperations } from "./instance/instance-profile-operations.ts";
import { instanceOperations } from "./instance/instance-operations.ts";
import { instanceOptionOperations } from "./instance/instance-option-operations.ts";
import { screenshotOperations } from "./instance/screenshot-operations.ts";
import { internetGatewayOperations } from "./internet-gateway/internet-gateway-operations.ts";
import { keyPairOperations } from "./key-pair/key-pair-operations.ts";
import { launchTemplateOperations } from "./launch-template/launch-template-operations.ts";
import { launchTemplateVersionOperations } from "./launch-template/launch-template-version-operations.ts";
import { natGatewayAddressOperations } from "./nat-gateway/nat-gateway-address-operations.ts";
import { natGatewayOperations } from "./nat-gateway/nat-gateway-operations.ts";
import { networkAclOperations } from "./network-acl/network-acl-operations.ts";
import { attachmentOperations } from "./network-interface/attachment-operations.ts";
import { interfacePermissionOperations } from "./network-interface/interface-permission-operations.ts";
import { networkInterfaceOperations } from "./network-interface/network-interface-operations.ts";
import { newInterfaceOperations } from "./network-interface/new-interface-operations.ts";
import { privateAddressOperations } from "./network-interface/private-address-operations.ts";
import { placementGroupOperations } from "./placement-group/placement-group-operations.ts";
import { prefixListOperations } from "./prefix-list/prefix-list-operations.ts";
import { recycleBinOperations } from "./recycle-bin/recycle-bin-operations.ts";
import { restoreImageOperations } from "./restore-task/restore-image-operations.ts";
import { rootReplacementOperations } from "./root-replacement/root-replacement-operations.ts";
import { routeOperations } from "./route-table/route-operations.ts";
import { routeTableOperations } from "./route-table/route-table-operations.ts";
import { groupAssociationOperations } from "./security-group/group-association-operations.ts";
import { groupReferenceOperations } from "./security-group/group-reference-operations.ts";
import { securityGroupOperations } from "./security-group/security-group-operations.ts";
import { securityGroupRuleOperations } from "./security-group/security-group-rule-operations.ts";
import { cidrReservationOperations } from "./subnet/cidr-reservation-operations.ts";
import { newSnapshotOperations } from "./snapshot/new-snapshot-operations.ts";
import { snapshotLockOperations } from "./snapshot/snapshot-lock-operations.ts";
import { snapshotOperations } from "./snapshot/snapshot-operations.ts";
import { subnetOperations } from "./subnet/subnet-operations.ts";
import { tagOperations } from "./tag/tag-operations.ts";
import { volumeAttachmentOperations } from "./volume/volume-attachment-operations.ts";
import { newVolumeOperations } from "./volume/new-volume-operations.ts";
import { volumeModificationOperations } from "./volume/volume-modification-operations.ts";
import { ebsSettingsOperations } from "./volume/ebs-settings-operations.ts";
import { volumeOperations } from "./volume/volume-operations.ts";
import { vpcEndpointOperations } from "./vpc-endpoint/vpc-endpoint-operations.ts";
import { vpcPeeringOperations } from "./vpc-peering/vpc-peering-operations.ts";
import { vpcOperations } from "./vpc/vpc-operations.ts";
import { vpcRangeOperations } from "./vpc/vpc-range-operations.ts";

/** Every EC2 operation that Croft serves. */
export const ec2Operations = {
  ...accountOperations,
  ...addressAssociationOperations,
  ...availabilityZoneOperations,
  ...dhcpOptionsOperations,
  ...elasticIpOperations,
  ...exportImageOperations,
  ...groupAssociationOperations,
  ...groupReferenceOperations,
  ...imageAttributeOperations,
  ...imageOperations,
  ...imageSettingsOperations,
  ...imageStateOperations,
  ...importTaskOperations,
  ...newImportTaskOperations,
  ...instanceAttributeOperations,
  ...instanceOperations,
  ...instanceProfileAssociationOperations,
  ...instanceOptionOperations,
  ...instanceTypeOperations,
  ...internetGatewayOperations,
  ...keyPairOperations,
  ...launchTemplateOperations,
  ...launchTemplateVersionOperations,
  ...natGatewayAddressOperations,
  ...natGatewayOperations,
  ...networkAclOperations,
  ...interfacePermissionOperations,
  ...networkInterfaceOperations,
  ...newImageOperations,
  ...copyImageOperations,
  ...attachmentOperations,
  ...newInterfaceOperations,
  ...newVolumeOperations,
  ...placementGroupOperations,
  ...prefixListOperations,
  ...privateAddressOperations,
  ...recycleBinOperations,
  ...restoreImageOperations,
  ...rootReplacementOperations,
  ...routeOperations,
  ...routeTableOperations,
  ...screenshotOperations,
  ...securityGroupOperations,
  ...securityGroupRuleOperations,
  ...newSnapshotOperations,
  ...snapshotLockOperations,
  ...snapshotOperations,
  ...storeImageOperations,
  ...subnetOperations,
  ...cidrReservationOperations,
  ...tagOperations,
  ...volumeAttachmentOperations,
  ...volumeModificationOperations,
  ...ebsSettingsOperations,
  ...volumeOperations,
  ...vpcOperations,
  ...vpcEndpointOperations,
  ...vpcPeeringOperations,
  ...vpcRangeOperations,
} satisfies OperationsOf<typeof ec2, Ec2Context>;
