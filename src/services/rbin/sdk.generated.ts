// Written by `tools/generate-wire.ts` from AWS's model of rbin: tools/models/rbin.generated.json.
export interface CreateRuleRequest {
  RetentionPeriod: RetentionPeriod | undefined;
  Description?: string | undefined;
  Tags?: Tag[] | undefined;
  ResourceType: ResourceType | undefined;
  ResourceTags?: ResourceTag[] | undefined;
  LockConfiguration?: LockConfiguration | undefined;
  ExcludeResourceTags?: ResourceTag[] | undefined;
}
export interface CreateRuleResponse {
  Identifier?: string | undefined;
  RetentionPeriod?: RetentionPeriod | undefined;
  Description?: string | undefined;
  Tags?: Tag[] | undefined;
  ResourceType?: ResourceType | undefined;
  ResourceTags?: ResourceTag[] | undefined;
  Status?: RuleStatus | undefined;
  LockConfiguration?: LockConfiguration | undefined;
  LockState?: LockState | undefined;
  RuleArn?: string | undefined;
  ExcludeResourceTags?: ResourceTag[] | undefined;
}
export interface DeleteRuleRequest {
  Identifier: string | undefined;
}
export interface DeleteRuleResponse {
}
export interface GetRuleRequest {
  Identifier: string | undefined;
}
export interface GetRuleResponse {
  Identifier?: string | undefined;
  Description?: string | undefined;
  ResourceType?: ResourceType | undefined;
  RetentionPeriod?: RetentionPeriod | undefined;
  ResourceTags?: ResourceTag[] | undefined;
  Status?: RuleStatus | undefined;
  LockConfiguration?: LockConfiguration | undefined;
  LockState?: LockState | undefined;
  LockEndTime?: Date | undefined;
  RuleArn?: string | undefined;
  ExcludeResourceTags?: ResourceTag[] | undefined;
}
export interface ListRulesRequest {
  MaxResults?: number | undefined;
  NextToken?: string | undefined;
  ResourceType: ResourceType | undefined;
  ResourceTags?: ResourceTag[] | undefined;
  LockState?: LockState | undefined;
  ExcludeResourceTags?: ResourceTag[] | undefined;
}
export interface ListRulesResponse {
  Rules?: RuleSummary[] | undefined;
  NextToken?: string | undefined;
}
export interface ListTagsForResourceRequest {
  ResourceArn: string | undefined;
}
export interface ListTagsForResourceResponse {
  Tags?: Tag[] | undefined;
}
export interface LockConfiguration {
  UnlockDelay: UnlockDelay | undefined;
}
export interface LockRuleRequest {
  Identifier: string | undefined;
  LockConfiguration: LockConfiguration | undefined;
}
export interface LockRuleResponse {
  Identifier?: string | undefined;
  Description?: string | undefined;
  ResourceType?: ResourceType | undefined;
  RetentionPeriod?: RetentionPeriod | undefined;
  ResourceTags?: ResourceTag[] | undefined;
  Status?: RuleStatus | undefined;
  LockConfiguration?: LockConfiguration | undefined;
  LockState?: LockState | undefined;
  RuleArn?: string | undefined;
  ExcludeResourceTags?: ResourceTag[] | undefined;
}
export type LockState = "locked" | "pending_unlock" | "unlocked";
export interface ResourceTag {
  ResourceTagKey: string | undefined;
  ResourceTagValue?: string | undefined;
}
export type ResourceType = "EBS_SNAPSHOT" | "EC2_IMAGE" | "EBS_VOLUME";
export interface RetentionPeriod {
  RetentionPeriodValue: number | undefined;
  RetentionPeriodUnit: RetentionPeriodUnit | undefined;
}
export type RetentionPeriodUnit = "DAYS";
export type RuleStatus = "pending" | "available";
export interface RuleSummary {
  Identifier?: string | undefined;
  Description?: string | undefined;
  RetentionPeriod?: RetentionPeriod | undefined;
  LockState?: LockState | undefined;
  RuleArn?: string | undefined;
}
export interface Tag {
  Key: string | undefined;
  Value: string | undefined;
}
export interface TagResourceRequest {
  ResourceArn: string | undefined;
  Tags: Tag[] | undefined;
}
export interface TagResourceResponse {
}
export interface UnlockDelay {
  UnlockDelayValue: number | undefined;
  UnlockDelayUnit: UnlockDelayUnit | undefined;
}
export type UnlockDelayUnit = "DAYS";
export interface UnlockRuleRequest {
  Identifier: string | undefined;
}
export interface UnlockRuleResponse {
  Identifier?: string | undefined;
  Description?: string | undefined;
  ResourceType?: ResourceType | undefined;
  RetentionPeriod?: RetentionPeriod | undefined;
  ResourceTags?: ResourceTag[] | undefined;
  Status?: RuleStatus | undefined;
  LockConfiguration?: LockConfiguration | undefined;
  LockState?: LockState | undefined;
  LockEndTime?: Date | undefined;
  RuleArn?: string | undefined;
  ExcludeResourceTags?: ResourceTag[] | undefined;
}
export interface UntagResourceRequest {
  ResourceArn: string | undefined;
  TagKeys: string[] | undefined;
}
export interface UntagResourceResponse {
}
export interface UpdateRuleRequest {
  Identifier: string | undefined;
  RetentionPeriod?: RetentionPeriod | undefined;
  Description?: string | undefined;
  ResourceType?: ResourceType | undefined;
  ResourceTags?: ResourceTag[] | undefined;
  ExcludeResourceTags?: ResourceTag[] | undefined;
}
export interface UpdateRuleResponse {
  Identifier?: string | undefined;
  RetentionPeriod?: RetentionPeriod | undefined;
  Description?: string | undefined;
  ResourceType?: ResourceType | undefined;
  ResourceTags?: ResourceTag[] | undefined;
  Status?: RuleStatus | undefined;
  LockState?: LockState | undefined;
  LockEndTime?: Date | undefined;
  RuleArn?: string | undefined;
  ExcludeResourceTags?: ResourceTag[] | undefined;
}
type Command<Input, Output> = abstract new () => {
  input: Input;
  resolveMiddleware(): () => Promise<{ output: Output }>;
};
export interface Sdk {
  CreateRuleCommand: Command<CreateRuleRequest, CreateRuleResponse>;
  DeleteRuleCommand: Command<DeleteRuleRequest, DeleteRuleResponse>;
  GetRuleCommand: Command<GetRuleRequest, GetRuleResponse>;
  ListRulesCommand: Command<ListRulesRequest, ListRulesResponse>;
  ListTagsForResourceCommand: Command<ListTagsForResourceRequest, ListTagsForResourceResponse>;
  LockRuleCommand: Command<LockRuleRequest, LockRuleResponse>;
  TagResourceCommand: Command<TagResourceRequest, TagResourceResponse>;
  UnlockRuleCommand: Command<UnlockRuleRequest, UnlockRuleResponse>;
  UntagResourceCommand: Command<UntagResourceRequest, UntagResourceResponse>;
  UpdateRuleCommand: Command<UpdateRuleRequest, UpdateRuleResponse>;
}
