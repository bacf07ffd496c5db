import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { findBaked } from "./bake.ts";
import { packageSources } from "./debian-root.ts";
import { findRecipe, readRecipe, recipeFile } from "./recipe.ts";

const debian12 = join(import.meta.dirname, "../../images/debian-12");
const dir = mkdtempSync(join(tmpdir(), "croft-recipe-"));
after(() => rmSync(dir, { recursive: true }));

/** The folder of a recipe of nothing but its `recipe.json`. */
const written = (name: string, recipe: object): string => {
  mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(join(dir, name, "recipe.json"), JSON.stringify(recipe));
  return join(dir, name);
};

describe("a recipe", () => {
  test("is another one when any of its files, or who may run it, changes, and only then", () => {
    const copy = join(dir, "copy");
    cpSync(debian12, copy, { recursive: true });
    const { hash } = readRecipe(debian12);
    assert.equal(readRecipe(copy).hash, hash);
    writeFileSync(join(copy, "files/etc/hostname"), "other\n");
    const changed = readRecipe(copy).hash;
    assert.notEqual(changed, hash);
    chmodSync(join(copy, "customise"), 0o644);
    assert.notEqual(readRecipe(copy).hash, changed);
  });

  test("has what its base has, and more; it is another one when its base changes", () => {
    const base = join(dir, "base");
    cpSync(debian12, base, { recursive: true });
    const own = written("own", { base: "../base", name: "own-amd64", packages: ["python3"] });
    const recipe = readRecipe(own);
    assert.deepEqual([recipe.name, recipe.suite, recipe.dirs], ["own-amd64", "bookworm", [base, own]]);
    assert.deepEqual(recipe.packages, [...readRecipe(base).packages, "python3"]);
    assert.equal(recipeFile(recipe, "initrd-init"), join(base, "initrd-init"));
    writeFileSync(join(base, "files/etc/hostname"), "other\n");
    assert.notEqual(readRecipe(own).hash, recipe.hash);
    writeFileSync(join(own, "initrd-init"), "#!/bin/busybox sh\n");
    assert.equal(recipeFile(readRecipe(own), "initrd-init"), join(own, "initrd-init"));
  });

  test("is found by its folder, or by its name among those that are provided", () => {
    assert.equal(findRecipe(debian12, dir).name, "debian-12-amd64");
    assert.ok(findRecipe("debian-12-tools", join(debian12, "..")).packages.includes("awscli"));
    assert.throws(() => findRecipe("debian-11", join(debian12, "..")), /no recipe "debian-11".*debian-12/);
  });

  test("for another architecture has that one's packages beside what all have", () => {
    const { architecture, packages, packagesFor } = findRecipe("debian-12-arm64", join(debian12, ".."));
    assert.equal(architecture, "arm64");
    assert.deepEqual(packages, readRecipe(debian12).packages);
    assert.ok(packagesFor.arm64?.includes("linux-image-cloud-arm64"));
    assert.ok(!packages.some((name) => /amd64|arm64|grub-pc/.test(name)));
  });

  test("that is none says what is wrong with it", () => {
    for (const [name, recipe, wrong] of [
      ["nameless", { base: "debian-12", name: "../x" }, /nameless\/recipe.json: wrong or no "name"/],
      ["packaged", { base: "debian-12", packages: ["-oFile=/etc/passwd", "a b"] }, /wrong or no "packages"/],
      ["bare", { name: "bare" }, /wrong or no "architecture"/],
      ["foreign", { base: "debian-12", architecture: "riscv64" }, /wrong or no "architecture"/],
      ["mistaken", { base: "debian-12", packagesFor: { amd64: ["vim"] } }, /wrong or no "packagesFor"/],
      ["endless", { base: "../endless" }, /bases never end/],
      ["orphan", { base: "debian-0" }, /debian-0\/recipe.json: ENOENT/],
    ] as const)
      assert.throws(() => readRecipe(written(name, recipe)), wrong);
    writeFileSync(join(written("torn", {}), "recipe.json"), "{");
    assert.throws(() => readRecipe(join(dir, "torn")), /torn\/recipe.json: .*JSON/);
  });

  test("has no image in an empty cache", () => {
    assert.equal(findBaked(dir, readRecipe(debian12)), undefined);
  });

  test("does not loosen the kernel's defences", () => {
    assert.doesNotMatch(readRecipe(debian12).kernelCommandLine, /mitigations|kaslr|lsm=|init_on|pti|spectre/);
  });

  test("of a release this host does not use is baked from Debian's own servers", async () => {
    const sources = await packageSources("no-such-release", AbortSignal.timeout(20_000));
    assert.match(sources, /^deb http:\/\/deb\.debian\.org\/debian no-such-release main$/m);
  });
});
