import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { croftCommand } from "#checkout.ts";
import { run } from "#drivers/linux/commands.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";

/** What `croft restore` says when it refuses an archive of these files. */
async function refusal(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const scratch = await temporaryDirectory(t);
  const made = join(scratch, "made");
  const archive = join(scratch, "archive");
  const dataDir = join(scratch, "region");
  mkdirSync(made);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(made, name), text);
  await run("tar", ["--create", "--file", archive, "--directory", made, "."]);
  const said = await run(process.execPath, [croftCommand, "restore", archive, "--data-dir", dataDir]).catch(
    String,
  );
  assert.ok(!existsSync(dataDir));
  assert.deepEqual(readdirSync(scratch).toSorted(), ["archive", "made"], "nothing is left of it");
  return said;
}

test("what is no backup is not restored, and leaves nothing", async (t) => {
  assert.match(await refusal(t, { "region.json": "{}" }), /is no backup made by croft backup/);
});

test("a backup of a later format is refused by its version, and leaves nothing", async (t) => {
  const manifest = JSON.stringify({ croft: "9.9.9", format: 99 });
  assert.match(
    await refusal(t, { "backup.json": manifest }),
    /made by Croft 9\.9\.9, whose records have format 99/,
  );
});
