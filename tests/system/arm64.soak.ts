import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { guestShell, saveKey } from "../guest-shell.ts";
import { realRegion } from "../real-region.ts";
import { until } from "../until.ts";

/** From the recipe to a login on a Graviton type, by the words of the README. On a PC both the bake and the machine are emulated. */
const region = await realRegion();
const files = mkdtempSync(join(tmpdir(), "croft-test-"));
after(() => rmSync(files, { recursive: true }));
const ec2 = async (...words: string[]) =>
  (await region.croft("aws", "ec2", ...words, "--output", "text")).trim();
const rules = "/proc/sys/fs/binfmt_misc";

test(
  "an arm64 image is baked without a change to this host, and a t4g.micro of it is aarch64",
  { timeout: 3_600_000 },
  async () => {
    const before = readdirSync(rules);
    const imageId = (await region.croft("image", "bake", "--yes", "debian-12-arm64")).trim();
    assert.deepEqual(readdirSync(rules), before);
    assert.equal(
      await ec2("describe-images", "--image-ids", imageId, "--query", "Images[0].Architecture"),
      "arm64",
    );

    const key = join(files, "key");
    const made = ["--key-name", "test", "--key-type", "ed25519", "--query", "KeyMaterial"];
    // ssh wants the end of the last line, too.
    saveKey(key, `${await ec2("create-key-pair", ...made)}\n`);
    const ssh = ["--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0"];
    await ec2("authorize-security-group-ingress", "--group-name", "default", ...ssh);
    const launch = ["--image-id", imageId, "--instance-type", "t4g.micro", "--key-name", "test"];
    const id = await ec2("run-instances", ...launch, "--query", "Instances[0].InstanceId");
    await ec2("wait", "instance-running", "--instance-ids", id);
    const said = (query: string) =>
      ec2("describe-instances", "--instance-ids", id, "--query", `Reservations[0].Instances[0].${query}`);

    const shell = await guestShell(await said("PublicIpAddress"), key);
    assert.equal(await shell.run("uname -m; cat /sys/class/dmi/id/board_asset_tag"), `aarch64\n${id}\n`);
    assert.match(await shell.run("cloud-init status --wait"), /status: done/);
    assert.equal(await shell.run("systemctl --failed --no-legend"), "");
    assert.equal(
      await shell.run("nproc; curl -s http://169.254.169.254/latest/meta-data/instance-type"),
      "2\nt4g.micro",
    );

    // The power button is heard.
    await ec2("stop-instances", "--instance-ids", id);
    assert.equal(
      await until(
        () => said("State.Name"),
        (state) => state === "stopped",
        120_000,
      ),
      "stopped",
    );
    assert.match(await ec2("get-console-output", "--instance-id", id, "--latest"), /ttyAMA0[^]*Power down/);
  },
);
