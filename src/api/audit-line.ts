import type { AnsweredCall } from "./answered-call.ts";
import { isSomebody } from "./caller.ts";

/** One call as a line of JSON, at most 64 KiB with its end. No parameter can end the line, or move a terminal's cursor. */
export function auditLine(call: AnsweredCall): string {
  const { signedIn } = call;
  const fields = {
    time: call.at.toISOString(),
    requestId: call.requestId,
    principal: signedIn &&
      isSomebody(signedIn.caller) && {
        arn: signedIn.caller.arn,
        accountId: signedIn.caller.accountId,
        accessKeyId: signedIn.accessKeyId,
      },
    source: call.source,
    network: call.network,
    region: signedIn?.region,
    operation: signedIn && call.operation && `${signedIn.service}:${call.operation}`,
    parameters: call.input && shown(call.input),
    ids: call.output && idsIn(call.output),
    error: call.error?.code,
    latencyMs: Math.round(call.latencyMs * 1000) / 1000,
  };
  const line = asciiControls(JSON.stringify(fields));
  // Characters, of at most three bytes each.
  return `${line.length < mostCharacters ? line : asciiControls(JSON.stringify({ ...fields, parameters: "(too long)" }))}\n`;
}

const mostCharacters = 21_000;
const most = { characters: 512, elements: 50, depth: 16, ids: 50, looks: 1_000 } as const;

/** JSON escapes what ends a line in ASCII; readers of lines also heed U+2028, U+2029 and U+0085, and terminals all of C1. */
const asciiControls = (json: string) =>
  json.replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** By the names AWS gives such members; `HttpTokens` says whether IMDS asks for one. */
const secretName =
  /secret|password|(?<!http)tokens?$|tokencode|authenticationcode|user-?data|keymaterial|privatekey|credentials?$|assertion/i;
const removed = "(removed)";

/** The value without what is secret in it, and without what is longer than anyone reads. */
function shown(value: unknown, depth = 0): unknown {
  if (depth > most.depth) return "(too deep)";
  if (typeof value === "string") return shownText(value);
  if (value instanceof Uint8Array) return `(${value.length} bytes)`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "(no date)" : value.toISOString();
  if (Array.isArray(value)) {
    const first = value.slice(0, most.elements).map((element) => shown(element, depth + 1));
    return first.length < value.length ? [...first, `(${value.length - first.length} more)`] : first;
  }
  if (!isPlain(value)) return typeof value === "object" && value ? "(stream)" : value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      secretName.test(name) || isSecretValue(name, value) ? removed : shown(member, depth + 1),
    ]),
  );
}

/** The query of a signed URL lets whoever has it read what it is of. */
function shownText(value: string): string {
  const text = value.replace(/^(https?:\/\/[^?]*)\?.*$/is, "$1?…");
  return text.length > most.characters ? `${text.slice(0, most.characters)}…` : text;
}

/** `Attribute=userData&Value=…` is another way to say `UserData`; `Type=SecureString&Value=…` a way to say "secret". */
function isSecretValue(name: string, { Attribute, Type }: Record<string, unknown>): boolean {
  return name === "Value" && (Attribute === "userData" || Type === "SecureString");
}

/** What the answer names: the first of the ids in it, each once. */
function idsIn(output: object): string[] {
  const ids = new Set<string>();
  const open: unknown[] = [output];
  for (let looks = 0; looks < open.length && looks < most.looks && ids.size < most.ids; looks++) {
    const value = open[looks];
    if (typeof value === "string" && isId.test(value)) ids.add(value);
    else if (Array.isArray(value)) open.push(...value.slice(0, most.looks));
    else if (isPlain(value)) open.push(...Object.values(value));
  }
  return [...ids];
}

/** Of EC2, of KMS's keys, and of IAM: also of access keys, by which a session's calls are found again. */
const isId =
  /^([a-z][a-z-]{0,30}-[0-9a-f]{8,17}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|A[A-Z]{3}[A-Z2-7]{16,17}(:[\w+=,.@-]{2,64})?)$/;

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
