import { type Node, parseTree } from "jsonc-parser";
import { condition, type Condition } from "./condition.ts";
import { Wildcard } from "./wildcard.ts";

/** One policy, read: what `decide` goes by. AWS, "Grammar of the IAM JSON policy language". */
export interface Policy {
  readonly version: "2008-10-17" | "2012-10-17";
  readonly statements: readonly Statement[];
}

export interface Statement {
  readonly effect: "Allow" | "Deny";
  readonly principals?: Named<Principals> | undefined;
  readonly actions: Named<readonly Wildcard[]>;
  readonly resources: Named<readonly Wildcard[]>;
  readonly conditions: readonly Condition[];
  /** Where it stands in the document's text; both count from 1. */
  readonly start: Position;
  readonly end: Position;
}

/** `Action` or `NotAction`, and the like. */
export interface Named<What> {
  readonly what: What;
  readonly not: boolean;
}

/** By type, such as "AWS" and "Service"; "everybody" for `*`. */
export type Principals = "everybody" | ReadonlyMap<string, readonly string[]>;

export interface Position {
  readonly Line: number;
  readonly Column: number;
}

/** What is wrong with a document, in AWS's words. */
export class MalformedPolicy extends Error {}

/** Identity policies name no principal, resource policies must; so must trust policies, of which the role itself is the resource. */
export type PolicyKind = "identity" | "resource" | "trust";

/** Throws `MalformedPolicy`. */
export function parsePolicy(text: string, of: PolicyKind): Policy {
  const root = members(parsed(text));
  onlyKnown(root, ["Version", "Id", "Statement"]);
  const version = root.get("Version")?.value ?? "2008-10-17";
  if (version !== "2008-10-17" && version !== "2012-10-17") throw syntaxError();
  const listed = root.get("Statement");
  if (!listed) throw syntaxError();
  const nodes = listed.type === "array" ? (listed.children ?? []) : [listed];
  if (nodes.length === 0) throw syntaxError();
  const statements = nodes.map((node) => ({ node, found: members(node) }));
  const ids = statements.flatMap(({ found }) => found.get("Sid")?.value ?? []);
  if (new Set(ids).size < ids.length)
    throw new MalformedPolicy("Statement IDs (SID) in a single policy must be unique.");
  const positionAt = positions(text);
  return {
    version,
    statements: statements.map(({ node: { offset, length }, found }) => ({
      ...statement(found, version, of),
      start: positionAt(offset),
      end: positionAt(offset + length),
    })),
  };
}

function statement(
  found: Members,
  version: Policy["version"],
  of: PolicyKind,
): Omit<Statement, "start" | "end"> {
  onlyKnown(found, [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
  ]);
  const sid = found.get("Sid");
  if (sid && (sid.type !== "string" || (of === "identity" && !/^[A-Za-z0-9]*$/.test(sid.value))))
    throw syntaxError();
  const effect = found.get("Effect")?.value;
  if (effect !== "Allow" && effect !== "Deny") throw syntaxError();
  const actions = either(found, "Action", strings);
  if (!actions || actions.what.length === 0)
    throw new MalformedPolicy("Policy statement must contain actions.");
  if (!actions.what.every((it) => it === "*" || /^[\w-]+:[\w*?]+$/.test(it)))
    throw new MalformedPolicy("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
  if (of === "trust") {
    if (found.has("Resource") || found.has("NotResource"))
      throw new MalformedPolicy("Has prohibited field Resource");
    if (actions.not || !actions.what.every((it) => it.toLowerCase().startsWith("sts:")))
      throw new MalformedPolicy("AssumeRole policy may only specify STS AssumeRole actions.");
  }
  const resources = of === "trust" ? everything : either(found, "Resource", strings);
  if (!resources || resources.what.length === 0)
    throw new MalformedPolicy("Policy statement must contain resources.");
  for (const it of resources.what)
    if (it !== "*" && !/^(arn|\*|\$\{)/.test(it))
      throw new MalformedPolicy(`Resource ${it} must be in ARN format or "*".`);
  const principals = either(found, "Principal", principalsIn);
  if (of === "identity" && principals)
    throw new MalformedPolicy("Policy document should not specify a principal.");
  if (of !== "identity" && !principals)
    throw new MalformedPolicy("Policy document must specify a principal.");
  const variables = version === "2012-10-17";
  return {
    effect,
    ...(principals && { principals }),
    actions: {
      ...actions,
      what: actions.what.map((it) => new Wildcard(it.toLowerCase(), { variables: false })),
    },
    resources: { ...resources, what: resources.what.map((it) => new Wildcard(it, { variables })) },
    conditions: conditions(found.get("Condition"), version),
  };
}

/** `{ operator: { key: value or values } }` */
function conditions(node: Node | undefined, version: Policy["version"]): Condition[] {
  if (!node) return [];
  return [...members(node)].flatMap(([operator, keys]) =>
    [...members(keys)].map(([key, values]) => {
      const wanted = scalars(values);
      const made = condition(operator, key, wanted, { version });
      if (!made) throw new MalformedPolicy(`Invalid Condition type : ${operator}.`);
      return made;
    }),
  );
}

function principalsIn(node: Node): Principals {
  if (node.type === "string" && node.value === "*") return "everybody";
  const byType = new Map([...members(node)].map(([type, names]) => [type, strings(names)]));
  onlyKnown(byType, ["AWS", "Service", "Federated", "CanonicalUser"]);
  return byType.get("AWS")?.includes("*") ? "everybody" : byType;
}

const everything: Named<readonly string[]> = { what: ["*"], not: false };

type Members = ReadonlyMap<string, Node>;

/** Of an object; one name twice is no JSON that AWS takes. */
function members(node: Node): Members {
  if (node.type !== "object") throw syntaxError();
  const found = new Map<string, Node>();
  for (const { children: [name, value] = [] } of node.children ?? []) {
    if (!name || !value || found.has(name.value)) throw syntaxError();
    found.set(name.value, value);
  }
  return found;
}

function either<What>(found: Members, name: string, read: (node: Node) => What): Named<What> | undefined {
  const [is, not] = [found.get(name), found.get(`Not${name}`)];
  if (is && not) throw syntaxError();
  if (is) return { what: read(is), not: false };
  return not && { what: read(not), not: true };
}

function strings(node: Node): string[] {
  const nodes = node.type === "array" ? (node.children ?? []) : [node];
  if (!nodes.every((it) => it.type === "string")) throw syntaxError();
  return nodes.map((it) => it.value);
}

/** Conditions may say `true` and `5` without quotes. */
function scalars(node: Node): string[] {
  const nodes = node.type === "array" ? (node.children ?? []) : [node];
  if (!nodes.every((it) => ["string", "boolean", "number"].includes(it.type))) throw syntaxError();
  return nodes.map((it) => String(it.value));
}

function onlyKnown(found: ReadonlyMap<string, unknown>, known: readonly string[]): void {
  for (const name of found.keys()) if (!known.includes(name)) throw syntaxError();
}

/** Strict JSON of no more depth than a policy has: the parser calls itself once a level. */
function parsed(text: string): Node {
  if (text.length > mostCharacters || depth(text) > mostDepth) throw syntaxError();
  try {
    JSON.parse(text);
  } catch {
    throw syntaxError();
  }
  const tree = parseTree(text);
  if (!tree) throw syntaxError();
  return tree;
}

/** AWS, SimulateCustomPolicy: the longest document it takes. */
const mostCharacters = 131_072;
const mostDepth = 8;

function depth(text: string): number {
  let [now, most] = [0, 0];
  for (const [bracket] of text.replace(/"(?:[^"\\]|\\.)*"/gs, "").matchAll(/[[\]{}]/g)) {
    now += bracket === "[" || bracket === "{" ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

/** The line and column of each offset. */
function positions(text: string): (offset: number) => Position {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return (offset) => {
    const line = starts.findLastIndex((it) => it <= offset);
    return { Line: line + 1, Column: offset - (starts[line] ?? 0) + 1 };
  };
}

const syntaxError = () => new MalformedPolicy("Syntax errors in policy.");
