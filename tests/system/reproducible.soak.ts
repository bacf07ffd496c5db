import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, test } from "node:test";
import { defaultRecipe } from "#config.ts";
import { bakeImage, type BakedImage } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-bake-"));
after(() => rm(scratch, { recursive: true }));

const bake = (name: string, date: string): Promise<BakedImage> =>
  bakeImage(readRecipe(defaultRecipe), {
    cacheDir: join(scratch, name),
    progress: () => {},
    signal: AbortSignal.timeout(1_800_000),
    date: new Date(date),
  });

test(
  "a recipe baked again of the same packages is the same, byte by byte, whenever that is",
  { timeout: 3_600_000 },
  async () => {
    const first = await bake("first", "2026-01-31T00:00:00Z");
    const second = await bake("second", "2026-02-01T00:00:00Z");
    assert.deepEqual(second.packages, first.packages, "Debian published nothing in between");
    assert.deepEqual(await hashesOf(second), await hashesOf(first));
  },
);

const hashesOf = async ({ disk, kernel }: BakedImage) => ({
  disk: await hashOf(disk),
  kernel: await hashOf(kernel?.image ?? ""),
  initrd: await hashOf(kernel?.initrd ?? ""),
});

const hashOf = async (path: string): Promise<string> => {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
};
