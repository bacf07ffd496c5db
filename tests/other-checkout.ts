import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "#checkout.ts";

/** This version under another number and in another place, as an earlier or later one is: its `bin/croft`. The packages are these. */
export const otherCheckout = (directory: string): string => {
  const other = join(directory, "other");
  for (const part of ["bin", "src", "images", "package-lock.json"])
    cpSync(join(checkout, part), join(other, part), { recursive: true, verbatimSymlinks: true });
  symlinkSync(join(checkout, "node_modules"), join(other, "node_modules"));
  const written = readFileSync(join(checkout, "package.json"), "utf8");
  writeFileSync(join(other, "package.json"), written.replace(/"version": ".*?"/, '"version": "0.0.1"'));
  return join(other, "bin", "croft");
};
