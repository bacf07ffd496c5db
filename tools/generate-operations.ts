/**
 * Writes `docs/operations.generated.md`: every operation of the services that Croft serves, where its code is and which tests
 * call it; and beside IAM's code what each has to be authorised on. `--check` writes nothing and exits 1 when a committed file differs.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { servedOperations } from "#services/operations.ts";
import { loadWireService } from "#wire/wire-service.ts";
import { authorisationReference } from "./authorisation-reference.ts";

/** Of services whose folder is not named so. */
const folders: Readonly<Record<string, string>> = { servicequotas: "service-quotas" };

const root = fileURLToPath(new URL("../", import.meta.url));
const sources = (...patterns: string[]) =>
  globSync(patterns, { cwd: root })
    .toSorted()
    .map((path) => ({ path, text: readFileSync(root + path, "utf8") }));
const tests = sources("src/**/*.test.ts", "tests/**/*.test.ts");

function page(): string {
  const parts = Object.entries(servedOperations).map(([service, operations]) =>
    serviceText(service, new Set(Object.keys(operations))),
  );
  return `# Operations\n\nWritten by \`tools/generate-operations.ts\`. A test is listed when it names the operation.\n\n${parts.join("\n")}`;
}

function serviceText(service: string, served: ReadonlySet<string>): string {
  const all = [...loadWireService(service).operations].toSorted();
  const folder = folders[service] ?? service;
  const code = sources(`src/services/${folder}/**/*.ts`).filter(({ path }) => !path.endsWith(".test.ts"));
  const rows = all.filter((name) => served.has(name)).map((name) => row(name, code));
  const missing = all.filter((name) => !served.has(name));
  return [
    `## ${service}: ${rows.length} of ${all.length} served`,
    "",
    "| operation | code | tests |",
    "|---|---|---|",
    ...rows,
    "",
    `Not served, and answered \`UnsupportedOperation\`: ${missing.join(", ")}.`,
    "",
  ].join("\n");
}

function row(name: string, code: ReturnType<typeof sources>): string {
  const naming = tests.filter(({ text }) => callsOf(name).test(text)).map(({ path }) => link(path));
  return `| ${name} | ${whereIs(name, code)} | ${naming.join(", ") || "none"} |`;
}

/** Where its entry in a table of operations begins. */
function whereIs(name: string, code: ReturnType<typeof sources>): string {
  for (const { path, text } of code) {
    const line = text.split("\n").findIndex((it) => new RegExp(`^  ${name}[:(,]`).test(it));
    if (line >= 0) return link(path, line + 1);
  }
  throw new Error(`${name} is served, but begins no line of a table of operations`);
}

/** As the SDK's two clients, the CLI, and the wire name it. */
function callsOf(name: string): RegExp {
  const method = name.charAt(0).toLowerCase() + name.slice(1);
  const kebab = name.replaceAll(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, "-").toLowerCase();
  return new RegExp(`\\b${name}Command\\b|\\.${method}\\(|(?<![\\w-])${kebab}(?![\\w-])|["'=.]${name}\\b`);
}

function link(path: string, line?: number): string {
  const name = path.split("/").at(-1) ?? path;
  return line === undefined ? `[${name}](../${path})` : `[${name}:${line}](../${path}#L${line})`;
}

const outputs = [
  ["docs/operations.generated.md", page()],
  ["src/services/iam/reference.generated.json", await authorisationReference()],
] as const;
for (const [path, text] of outputs) {
  if (!process.argv.includes("--check")) writeFileSync(root + path, text);
  else if (readFileSync(root + path, "utf8") !== text) {
    console.error(`${path} is out of date: croft run tools/generate-operations.ts`);
    process.exitCode = 1;
  }
}
