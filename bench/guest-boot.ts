import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { defaultRecipe, defaults } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { bakeImage } from "#images/bake.ts";
import type { BakedImage } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";
import { makeDisk, startBareMachine } from "../tests/system/bare-machine.ts";
import { bareNetwork, tellsOf } from "../tests/system/bare-network.ts";
import type { BareMetadata } from "../tests/system/bare-network.ts";
import { comparePairs } from "./pairs.ts";

/**
 * What a first boot costs, from the start of a bare QEMU to the end of a first `ssh … true`: with the agent against the same disk
 * that was made into this instance before and has the agent off; and with a cloud-config against the image with cloud-init alone.
 * `croft run bench/guest-boot.ts [--pairs 7] [login|cloud-config]`, as root.
 */
const { values, positionals } = parseArgs({
  options: { pairs: { type: "string", default: "7" } },
  allowPositionals: true,
});
const wanted = (name: string) => positionals.length === 0 || positionals.includes(name);
const pairs = Number(values.pairs);
await using undo = new AsyncDisposableStack();
const dir = await mkdtemp(join(tmpdir(), "croft-bench-guest-"));
undo.defer(() => rm(dir, { recursive: true }));
const key = join(dir, "key");
await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
const instanceId = "i-0123456789abcdef0";
const metadata: BareMetadata = { instanceId, publicKey: await readFile(`${key}.pub`, "utf8") };
const network = undo.use(await bareNetwork(`croft-guest-boot-${process.pid}`, metadata));
const image = await baked(defaultRecipe, process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir);

if (wanted("login")) {
  const ready = await withKeys();
  await comparePairs(
    "login with the agent",
    "s",
    { ours: () => secondsToLogin(image), bare: () => secondsToLogin(ready) },
    pairs,
    "keys baked in",
  );
}
if (wanted("cloud-config")) {
  metadata.userData = "#cloud-config\nwrite_files: [{path: /etc/written, content: by cloud-init}]\n";
  const alone = await baked(join(import.meta.dirname, "../tests/system/cloud-init-alone"), dir);
  await comparePairs(
    "login after a cloud-config",
    "s",
    { ours: () => secondsToLogin(image), bare: () => secondsToLogin(alone) },
    pairs,
    "cloud-init alone",
  );
}

async function secondsToLogin(from: BakedImage): Promise<number> {
  const disk = join(dir, "disk.qcow2");
  await rm(disk, { force: true });
  await makeDisk(disk, from);
  const start = performance.now();
  await using machine = await started(from, disk);
  await machine.ssh("true");
  return (performance.now() - start) / 1000;
}

/** The image with the keys, name and size of the instance on it, and nothing left to do for an agent. */
async function withKeys(): Promise<BakedImage> {
  const [layer, disk] = [join(dir, "layer.qcow2"), join(dir, "ready.qcow2")];
  await makeDisk(layer, image);
  await using machine = await started(image, layer);
  await machine.ssh("cloud-init status --wait; sudo systemctl disable croft-first-boot croft-finish");
  await machine.pressPower();
  await machine.off;
  await run("qemu-img", ["convert", "-U", "-O", "qcow2", layer, disk], { timeoutMs: 120_000 });
  return { ...image, disk };
}

function started(from: BakedImage, disk: string) {
  const tells = tellsOf(metadata);
  return startBareMachine({ dir, network, instanceId, disk, image: from, boot: "kernel", key, tells });
}

/** Regions offer what is in their cache: a folder of its own is for what is only measured. */
async function baked(recipe: string, cacheDir: string): Promise<BakedImage> {
  const signal = AbortSignal.timeout(1_200_000);
  return await bakeImage(readRecipe(recipe), { cacheDir, progress: () => {}, date: new Date(), signal });
}
