import type { AuthorisedCall } from "#api/authorisation.ts";
import { isSomebody } from "#api/caller.ts";
import type { RequestContext } from "#policy/condition.ts";
import type { IamRecords, Tags } from "./records.ts";

/** What policies may ask about any call. AWS, "AWS global condition context keys". */
export function requestContext(call: AuthorisedCall, records: IamRecords): RequestContext {
  const { caller, region, at, request, input } = call;
  const { session } = caller;
  const context = new Map<string, readonly string[]>();
  const set = (key: string, ...values: (string | undefined)[]) => {
    const known = values.filter((it) => it !== undefined);
    if (known.length > 0) context.set(key, known);
  };
  set("aws:currenttime", at.toISOString());
  set("aws:epochtime", String(Math.trunc(at.getTime() / 1000)));
  const address = request.remoteAddress.replace(/^::ffff:/, "");
  set("aws:sourceip", address);
  if (request.network !== undefined) {
    set("aws:sourcevpc", request.network);
    set("aws:vpcsourceip", address);
  }
  set("aws:securetransport", String(request.byTls ?? false));
  set("aws:useragent", request.headers["user-agent"]);
  set("aws:requestedregion", region);
  set("aws:viaawsservice", "false");
  set("aws:principalisawsservice", "false");
  if (isSomebody(caller)) {
    set("aws:principalarn", caller.principalArn);
    set("aws:principalaccount", caller.accountId);
    set("aws:principaltype", caller.type);
    set("aws:userid", caller.userId);
  }
  if (caller.type === "User") set("aws:username", records.get("iam-user", caller.principalId ?? "")?.name);
  for (const [key, value] of Object.entries(principalTags(call, records)))
    set(`aws:principaltag/${key.toLowerCase()}`, value);
  if (session) {
    set("aws:tokenissuetime", new Date(session.issuedAt * 1000).toISOString());
    set("aws:multifactorauthpresent", String(session.hasMfa ?? false));
    if (session.hasMfa)
      set("aws:multifactorauthage", String(Math.trunc(at.getTime() / 1000) - session.issuedAt));
    set("aws:sourceidentity", session.sourceIdentity);
    if (session.kind === "federated") set("aws:federatedprovider", caller.principalArn);
    if (session.federated) {
      set("aws:federatedprovider", session.federated.provider);
      for (const [key, values] of Object.entries(session.federated.keys))
        set(key.toLowerCase(), ...[values].flat());
    }
    if (session.instance) {
      set("ec2:sourceinstancearn", session.instance.arn);
      set("ec2:roledelivery", session.instance.roleDelivery);
      set("aws:ec2instancesourcevpc", session.instance.vpcId);
      set("aws:ec2instancesourceprivateipv4", session.instance.privateAddress);
    }
  }
  if (call.service === "ec2") set("ec2:region", region);
  tagsInto(context, tagsOf(input["Tags"]));
  return context;
}

/** A session's own come before its role's. */
function principalTags({ caller: { principalId = "", session } }: AuthorisedCall, records: IamRecords): Tags {
  const holder = principalId.startsWith("AROA")
    ? records.get("iam-role", principalId)
    : records.get("iam-user", principalId);
  if (session?.kind === "federated") return session.tags ?? {};
  return { ...holder?.tags, ...session?.tags };
}

export interface RequestTag {
  readonly Key: string;
  readonly Value?: string | undefined;
}

/** Of a member of an operation's input: the wire has checked what it is, if it is there. */
export const tagsOf = (member: unknown): readonly RequestTag[] =>
  Array.isArray(member) ? member.filter((it) => typeof it?.Key === "string") : [];

/** The tags that a request gives. */
export function tagsInto(context: Map<string, readonly string[]>, tags: readonly RequestTag[]): void {
  if (tags.length === 0) return;
  for (const { Key: key, Value: value = "" } of tags)
    context.set(`aws:requesttag/${key.toLowerCase()}`, [value]);
  context.set(
    "aws:tagkeys",
    tags.map(({ Key }) => Key),
  );
}
