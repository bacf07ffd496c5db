import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { checkout } from "#checkout.ts";
import { Refusal } from "#cli/command.ts";

/**
 * Puts this program, with its Node and packages, at `to`, in place of what is there. All of it is root's and nobody else can change
 * it, nor follow a link out of it; run as root. Throws `Refusal` when others may write where `to` is.
 */
export const copyProgram = (to: string): void => {
  requireRootsOwn(dirname(to));
  const [next, former] = [`${to}.new`, `${to}.old`];
  for (const left of [next, former]) rmSync(left, { recursive: true, force: true });
  for (const part of parts.filter((it) => existsSync(join(checkout, it))))
    cpSync(join(checkout, part), join(next, part), {
      recursive: true,
      // A recipe's links mean something in the image only.
      ...(part === "images" ? { verbatimSymlinks: true } : { dereference: true }),
      filter: (path) => !path.endsWith(".test.ts"),
    });
  for (const [name, dir] of packagesOf(checkout, new Map()))
    cpSync(dir, join(next, "node_modules", name), {
      recursive: true,
      dereference: true,
      filter: (path) => path === dir || !path.startsWith(join(dir, "node_modules")),
    });
  const node = join(next, packagedNode);
  mkdirSync(dirname(node), { recursive: true });
  copyFileSync(process.execPath, node);
  readableByAll(next);
  if (existsSync(to)) renameSync(to, former);
  renameSync(next, to);
  rmSync(former, { recursive: true, force: true });
};

export const removeCopy = (to: string): void => {
  for (const path of [to, `${to}.new`, `${to}.old`]) rmSync(path, { recursive: true, force: true });
};

/** Where npm puts Node, and so where `bin/croft` looks for it. */
const packagedNode = `node_modules/node-linux-${process.arch}/bin/node`;

/** The command that runs the copy at `to`, whatever Node this host has. */
export const copiedCommand = (to: string, entryFile: string): readonly [string, string] => [
  join(to, packagedNode),
  entryFile.replace(checkout, to),
];

/** Of a checkout or a release. */
const parts = ["bin", "dist", "src", "images", "package.json", "LICENSE", "LICENSES.txt"];

/** The packages that the one in `dir` needs and that are here, by name. */
const packagesOf = (dir: string, found: Map<string, string>): ReadonlyMap<string, string> => {
  const {
    dependencies = {},
    optionalDependencies = {},
  }: { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> } = JSON.parse(
    readFileSync(join(dir, "package.json"), "utf8"),
  );
  const places = createRequire(join(dir, "package.json")).resolve;
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    if (found.has(name) || name.startsWith("node-linux-")) continue;
    const at = places
      .paths(name)
      ?.map((place) => join(place, name))
      .find((it) => existsSync(join(it, "package.json")));
    if (at) packagesOf(at, found.set(name, at));
  }
  return found;
};

const requireRootsOwn = (dir: string): void => {
  const { uid, gid, mode } = statSync(dir);
  const othersWrite = (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== 0);
  if (uid !== 0 || othersWrite)
    throw new Refusal(
      `${dir} may be written by others than root, so what root runs cannot lie there: chown root ${dir}; chmod go-w ${dir}`,
    );
  if (dir !== "/") requireRootsOwn(dirname(dir));
};

/** Whatever umask it was checked out with. */
const readableByAll = (path: string): void => {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return;
  chmodSync(path, stat.isDirectory() || (stat.mode & 0o111) !== 0 ? 0o755 : 0o644);
  if (stat.isDirectory()) for (const name of readdirSync(path)) readableByAll(join(path, name));
};
