import type { GuestInterface } from "./guest-snapshot.ts";
import { metadataVersions, readMetadata } from "./metadata-tree.ts";
import type { SessionTokens } from "./session-token.ts";

export interface ImdsRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface ImdsAnswer {
  readonly status: number;
  readonly body: string | Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** The answer carries a session token: it may only travel `hopLimit` hops. */
  readonly carriesToken: boolean;
}

/**
 * The instance metadata service (AWS, "Use the Instance Metadata Service to access instance metadata"), both versions, as it
 * answers the one interface that asks. A token is worth nothing to another instance's.
 */
export const answerImds = (
  { method, url, headers }: ImdsRequest,
  { id, metadata }: GuestInterface,
  tokens: SessionTokens,
): ImdsAnswer => {
  if (!metadata.enabled) return refusal(403);
  const holder = metadata.tree["instance-id"] ?? id;
  const path = segments(url);
  if (!path) return refusal(400);
  if (path.join("/") === "latest/api/token") {
    return method === "PUT" ? issueToken(headers, holder, tokens) : refusal(405, { Allow: "OPTIONS, PUT" });
  }
  if (method !== "GET" && method !== "HEAD") return refusal(405, { Allow: "GET, HEAD" });

  const token = headers["x-aws-ec2-metadata-token"];
  const secondsLeft = typeof token === "string" ? tokens.secondsLeft(token, holder) : undefined;
  if (token === undefined ? metadata.tokens === "required" : secondsLeft === undefined) return refusal(401);

  const [version, ...rest] = path;
  if (version === undefined) return content(metadataVersions.join("\n"), "text/plain", secondsLeft);
  const found = metadataVersions.includes(version)
    ? readMetadata(metadata, rest, token !== undefined)
    : undefined;
  return found ? content(found.body, found.type, secondsLeft) : refusal(404);
};

const issueToken = (headers: ImdsRequest["headers"], holder: string, tokens: SessionTokens): ImdsAnswer => {
  // A request that came through a proxy may be somebody else's, tricked through a web server on the instance.
  if (headers["x-forwarded-for"] !== undefined) return refusal(403);
  const ttl = headers["x-aws-ec2-metadata-token-ttl-seconds"];
  const seconds = typeof ttl === "string" && /^\d{1,5}$/.test(ttl) ? Number(ttl) : 0;
  if (seconds < 1 || seconds > 21_600) return refusal(400);
  return { ...content(tokens.issue(holder, seconds), "text/plain", seconds), carriesToken: true };
};

/** Path segments, repeated and trailing slashes and the query left out; undefined when it is no path. */
const segments = (url: string): string[] | undefined => {
  if (!url.startsWith("/")) return undefined;
  try {
    const end = url.search(/[?#]/);
    return decodeURIComponent(end === -1 ? url : url.slice(0, end))
      .split("/")
      .filter((segment) => segment !== "");
  } catch {
    return undefined;
  }
};

const content = (body: string | Buffer, type: string, secondsLeft: number | undefined): ImdsAnswer => ({
  status: 200,
  body,
  headers: {
    "Content-Type": type,
    "Accept-Ranges": "none",
    ...(secondsLeft !== undefined && { "X-Aws-Ec2-Metadata-Token-Ttl-Seconds": String(secondsLeft) }),
  },
  carriesToken: false,
});

/** The page that AWS's answers. */
const refusal = (status: keyof typeof reasons, headers: Record<string, string> = {}): ImdsAnswer => ({
  status,
  body: `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>${status} - ${reasons[status]}</title>
 </head>
 <body>
  <h1>${status} - ${reasons[status]}</h1>
 </body>
</html>
`,
  headers: { "Content-Type": "text/html", ...headers },
  carriesToken: false,
});

const reasons = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
} as const;
