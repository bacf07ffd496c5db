/** Who signed a request, as AWS names them. */
export interface Caller {
  readonly accountId: string;
  readonly accessKeyId: string;
  /** As GetCallerIdentity gives it: of a session the session's own. */
  readonly arn: string;
  /** `aws:userid`. */
  readonly userId: string;
  /** `aws:PrincipalArn`: of a session the role's or user's. */
  readonly principalArn: string;
  /** `aws:PrincipalType` */
  readonly type: "Account" | "User" | "AssumedRole" | "FederatedUser" | "Anonymous";
  /** AIDA… or AROA…: whose policies decide; of an instance itself no record's. Absent: the account's root, or nobody. */
  readonly principalId?: string | undefined;
  /** Absent: a key that does not end. */
  readonly session?: Session | undefined;
}

/** What a session token says. */
export interface Session {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** "instance": it says which instance asks, and may do nothing else. */
  readonly kind: "role" | "federated" | "token" | "instance";
  /** Of the role, or of the user who asked for it; absent: the account's root did, or it is an instance's. */
  readonly principalId?: string | undefined;
  /** Of the session, of the federated user, or the instance's id. */
  readonly name: string;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** What it may do at most, beside what its principal may. */
  readonly policies?: readonly string[] | undefined;
  readonly policyArns?: readonly string[] | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** The keys of those tags that the next session in a chain has too. */
  readonly transitive?: readonly string[] | undefined;
  readonly sourceIdentity?: string | undefined;
  /** Whoever asked for it had his MFA device. */
  readonly hasMfa?: boolean | undefined;
  /** Who vouched for whoever has it, and what policies may ask about that: values by their condition keys. */
  readonly federated?:
    | { readonly provider: string; readonly keys: Readonly<Record<string, string | readonly string[]>> }
    | undefined;
  /** The instance that it was made for. */
  readonly instance?: SessionInstance | undefined;
}

export interface SessionInstance {
  readonly arn: string;
  readonly vpcId: string;
  readonly privateAddress: string;
  /** The version of IMDS that handed the credentials out: "1.0" or "2.0". */
  readonly roleDelivery: "1.0" | "2.0";
}

/** Who may do everything, by the key of the account itself. */
export const rootCaller = (accountId: string, accessKeyId: string): Caller => ({
  accountId,
  accessKeyId,
  arn: `arn:aws:iam::${accountId}:root`,
  userId: accountId,
  principalArn: `arn:aws:iam::${accountId}:root`,
  type: "Account",
});

/** Whoever calls what needs no signature; he may do nothing else. The account is the region's first, and not his. */
export const nobody = (accountId: string): Caller => ({
  accountId,
  accessKeyId: "",
  arn: "anonymous",
  userId: "anonymous",
  principalArn: "anonymous",
  type: "Anonymous",
});

export const isSomebody = ({ type }: Caller): boolean => type !== "Anonymous";

/** Whose calls no policy decides. A session of the root's is bound by what sessions may do. */
export const isUnbounded = ({ type, session }: Caller): boolean => type === "Account" && !session;
