import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { findBaked } from "./bake.ts";
import { packageSources } from "./debian-root.ts";
import { readRecipe } from "./recipe.ts";

const debian12 = join(import.meta.dirname, "../../images/debian-12");
const dir = mkdtempSync(join(tmpdir(), "croft-recipe-"));
after(() => rmSync(dir, { recursive: true }));

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
