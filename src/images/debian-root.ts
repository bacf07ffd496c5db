import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkout } from "#checkout.ts";
import { architectures } from "./architecture.ts";
import { run } from "./command.ts";
import type { Recipe } from "./recipe.ts";
import type { Room } from "./room.ts";

/**
 * Installs the recipe's packages into `root` and runs its `customise`, through this host's own package sources and proxies.
 * `progress` hears how much of it is done, 0 to 1. Its mounts and processes are in `room` alone: ended at any moment, it
 * leaves nothing but files below `root` and beside it. Answers when the newest of the packages' files was made, in seconds
 * since 1970: what is made of them is of that time.
 */
export const installDebian = async (
  recipe: Recipe,
  root: string,
  room: Room,
  progress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<{ readonly madeAt: number }> => {
  await writeFile(join(root, "../started"), "");
  const count = stepCounter(recipe.expectedPackages, progress);
  const sources = await packageSources(recipe.suite, signal);
  const options = await aptOptions(signal);
  const { debian } = architectures[recipe.architecture];
  const packages = [...recipe.packages, ...(recipe.packagesFor[recipe.architecture] ?? [])];
  const mmdebstrap = [
    ...room,
    "mmdebstrap",
    "--verbose",
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    `--architectures=${debian}`,
    // The room sees to it that they can be run.
    "--skip=check/qemu",
    // /bin is a link from the start, which spares the image the package that makes it one, and all of perl with it.
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    `--include=${packages.join(",")}`,
    ...[...options, 'Apt::Install-Recommends "false"'].map((option) => `--aptopt=${option}`),
    ...dpkgOptions.map((option) => `--dpkgopt=${option}`),
    ...recipe.dirs
      .map((dir) => join(dir, "customise"))
      .filter((hook) => existsSync(hook))
      .concat(settle)
      .map((hook) => `--customize-hook=${hook}`),
    recipe.suite,
    root,
    "-",
  ] as const;
  const [file, ...args] = mmdebstrap;
  await run(file, args, {
    signal,
    input: sources,
    onLine: count,
    // What it leaves behind when it is ended goes with the bake's folder.
    environment: { LC_ALL: "C", TMPDIR: dirname(root), INITRD: "No" },
  });
  return { madeAt: Number(await readFile(join(root, "../made-at"), "utf8")) };
};

const settle = join(checkout, "src/images/settle");

/** No manual pages and translations in the image; and no waiting for the disk while it is made. */
const dpkgOptions = [
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  "path-exclude=/usr/share/locale/*",
  "force-unsafe-io",
];

/** Fetched, unpacked and set up: apt says so once for each package. */
const stepCounter = (packages: number, progress: (fraction: number) => void) => {
  let steps = 0;
  return (line: string) => {
    if (/^(Get:|Unpacking |Setting up )/.test(line)) progress(Math.min(1, (steps += 1) / (3 * packages)));
  };
};

/** Lines of a sources.list: where this host gets that Debian release, or Debian's own servers when it gets another. */
export const packageSources = async (suite: string, signal: AbortSignal): Promise<string> => {
  const format = "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)";
  const targets = await run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"], {
    signal,
  });
  const suites = [suite, `${suite}-updates`, `${suite}-security`];
  const lines = targets
    .toString()
    .split("\n")
    .map((line) => line.split(" "))
    .filter(
      ([origin, , release = "", part]) => origin === "Debian" && suites.includes(release) && part === "main",
    )
    .map(([, uri, release]) => `deb ${uri} ${release} main\n`);
  const own = lines.some((line) => line.endsWith(` ${suite} main\n`));
  return own ? [...new Set(lines)].join("") : debianServers(suite);
};

const debianServers = (suite: string): string =>
  `deb http://deb.debian.org/debian ${suite} main
deb http://deb.debian.org/debian ${suite}-updates main
deb http://deb.debian.org/debian-security ${suite}-security main
`;

/** How this host's apt fetches: its proxies, retries, and how strictly it takes dates. */
const aptOptions = async (signal: AbortSignal): Promise<string[]> => {
  const settings = await run("apt-config", ["dump", "--format", '%f "%v";%n'], { signal });
  return settings
    .toString()
    .split("\n")
    .filter((line) =>
      /^Acquire::(https?|Retries|Check-Valid-Until|Check-Date|ForceIPv[46])\b.* ".+";$/.test(line),
    );
};
