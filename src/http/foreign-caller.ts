import { isIP } from "node:net";
import type { IncomingHttpHeaders } from "node:http";

/**
 * Whether a web page may be behind a call. A page of another site shows by its Origin; one whose name was rebound to our
 * address shows by calling us by that name, where clients use an address, localhost or a name of AWS.
 */
export function isForeign({ host, origin }: Pick<IncomingHttpHeaders, "host" | "origin">): boolean {
  const called = nameOf(`http://${host}`);
  if (!called || !(isIP(called) || isLocalhost(called) || isAws(called))) return true;
  return hasForeignOrigin({ origin });
}

/** Whether a page that is not of this machine calls. */
export function hasForeignOrigin({ origin }: Pick<IncomingHttpHeaders, "origin">): boolean {
  return origin !== undefined && !isLocalhost(nameOf(origin) ?? "");
}

/** Whether it calls this machine by a name that only this machine has, and no web page whatever is behind it. */
export function isLocal({ host, origin }: Pick<IncomingHttpHeaders, "host" | "origin">): boolean {
  return origin === undefined && isLocalhost(nameOf(`http://${host}`) ?? "");
}

function isLocalhost(name: string): boolean {
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    (isIP(name) === 4 && name.startsWith("127."))
  );
}

function isAws(name: string): boolean {
  return name.endsWith(".amazonaws.com") || name.endsWith(".amazonaws.com.cn");
}

/** The host of a URL in lower case, IPv6 without its brackets. Nearly all calls name one host, so the last answer is kept. */
function nameOf(url: string): string | undefined {
  if (url !== last.url) last = { url, name: URL.parse(url)?.hostname.replace(/^\[|\]$/g, "") };
  return last.name;
}
let last: { readonly url: string; readonly name: string | undefined } = { url: "", name: undefined };
