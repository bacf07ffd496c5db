import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EC2 } from "@aws-sdk/client-ec2";
import { checkout, croftVersion } from "#checkout.ts";
import { defaultRecipe } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { readRecipe } from "#images/recipe.ts";
import { temporaryDirectory } from "#testing/temporary-directory.ts";

test("a release installs by npm, runs without TypeScript, and bakes the images of the checkout it was made from", async (t) => {
  const directory = await temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const [prefix, home] = ["prefix", "home"].map((name) => join(directory, name)) as [string, string];
  mkdirSync(home);
  const made = await run(process.execPath, [join(checkout, "tools/release.ts"), directory], {
    timeoutMs: 120_000,
  });
  const tarball = made.trim();
  assert.equal(tarball, join(directory, `croft-${croftVersion()}.tgz`));
  const bill: { components: { name: string; version: string }[]; metadata: { component: { name: string } } } =
    JSON.parse(readFileSync(join(directory, "sbom.cdx.json"), "utf8"));
  assert.equal(bill.metadata.component.name, "croft");
  const pinned: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(checkout, "package.json"), "utf8"),
  );
  for (const [name, version] of Object.entries(pinned.dependencies))
    assert.ok(
      bill.components.some((it) => it.name === name && it.version === version),
      name,
    );

  // As a user would, but for the directories: none of this checkout's packages is in reach.
  await run("env", [`HOME=${home}`, "npm", "install", "-g", `--prefix=${prefix}`, "--no-audit", tarball], {
    timeoutMs: 180_000,
  });
  const installed = join(prefix, "lib/node_modules/croft");
  assert.deepEqual(globSync("{bin,dist,src,images}/**/*.ts", { cwd: installed }), []);
  const { hash } = readRecipe(defaultRecipe);
  assert.equal(readRecipe(join(installed, "images/debian-12")).hash, hash);
  assert.match(readFileSync(join(installed, "LICENSES.txt"), "utf8"), /^ssh2 [\d.]+ \(MIT\)$/m);

  const croft = join(prefix, "bin/croft");
  const nobody = { uid: 65_534, gid: 65_534, cwd: "/", env: { PATH: process.env["PATH"], HOME: home } };
  assert.match(await run(croft, ["--version"]), new RegExp(`^croft ${croftVersion()} \\(Node 26`));
  // It loads the file of every command.
  assert.match(await run(croft, ["completion", "bash"]), /service/);
  await assert.rejects(run(croft, ["check"]), /there is no "check"/);
  const region = spawn(croft, ["up", "--machines", "fake", "--ephemeral", "--port", "0"], {
    ...nobody,
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => region.kill());
  let said = "";
  for await (const part of region.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false }))
    if ((said += part).includes("croft: ready")) break;
  const exported = (name: string) => new RegExp(`export ${name}=(\\S+)`).exec(said)?.[1] ?? "";
  const client = new EC2({
    endpoint: exported("AWS_ENDPOINT_URL"),
    region: exported("AWS_REGION"),
    credentials: {
      accessKeyId: exported("AWS_ACCESS_KEY_ID"),
      secretAccessKey: exported("AWS_SECRET_ACCESS_KEY"),
    },
  });
  t.after(() => client.destroy());
  const { Vpcs = [] } = await client.describeVpcs({});
  assert.equal(Vpcs.length, 1);
  const { InstanceTypes = [] } = await client.describeInstanceTypes({ InstanceTypes: ["t3.micro"] });
  assert.equal(InstanceTypes[0]?.VCpuInfo?.DefaultVCpus, 2);
  region.kill("SIGTERM");
  assert.deepEqual(await once(region, "exit"), [0, null]);
});

test("where a library that Node needs is missing, one sentence names it and the packages", async () => {
  const [, library = ""] = /libatomic\.so\.1 => (\S+)/.exec(await run("ldd", [process.execPath])) ?? [];
  assert.notEqual(library, "");
  const hidden = ["--mount", "sh", "-euc", 'mount --bind /dev/null "$(realpath "$0")"; exec "$@"', library];
  // `npm test` puts the packaged Node before the machine's own, which is to run the door.
  const folders = (process.env["PATH"] ?? "").split(":").filter((it) => !it.includes("node_modules"));
  await assert.rejects(
    run("unshare", [...hidden, "env", `PATH=${folders.join(":")}`, join(checkout, "bin/croft"), "--version"]),
    {
      message:
        /^croft: Node 26 needs libatomic\.so\.1: apt install -y libatomic1 libstdc\+\+6, then run the same again$/m,
    },
  );
});
