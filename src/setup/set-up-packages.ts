import { existsSync } from "node:fs";
import { Refusal } from "#cli/command.ts";
import { attended, confirm, say } from "#cli/terminal.ts";
import { installPackages, missingPackages } from "./debian-packages.ts";
import type { DebianPackage } from "./debian-packages.ts";

/** Every one of the packages is there when this returns; what is missing is named, and asked for unless `yes`. */
export const setUpPackages = async (
  packages: readonly DebianPackage[],
  { yes }: { yes: boolean },
): Promise<void> => {
  const missing = missingPackages(packages);
  if (missing.length === 0) return;
  say(`these Debian packages are missing:\n${table(missing)}`);
  const byHand = `apt-get install -y --no-install-recommends ${missing.map(({ name }) => name).join(" ")}`;
  if (!existsSync("/usr/bin/apt-get")) {
    throw new Refusal("and this is not Debian: install what provides them here, then run the same again");
  }
  if (!yes && !attended()) {
    throw new Refusal(`run the same with --yes to have them installed, or first run:\n  ${byHand}`);
  }
  if (!yes && !(await confirm("install them with apt-get?"))) {
    throw new Refusal(`nothing was changed; Croft needs them:\n  ${byHand}`);
  }
  if (!installPackages(missing)) {
    throw new Refusal(
      `apt-get could not install them; its reason is above. Mend it, or run:\n  ${byHand}`,
      1,
    );
  }
};

const table = (packages: readonly DebianPackage[]) =>
  packages.map(({ name, why }) => `  ${name.padEnd(18)}${why}`).join("\n");
