import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { defaultRecipe, defaults } from "#config.ts";
import { run } from "#drivers/linux/commands.ts";
import { bakeImage } from "#images/bake.ts";
import { readRecipe } from "#images/recipe.ts";
import { bareNetwork, tellsOf } from "./bare-network.ts";
import type { BareMetadata, BareNetwork } from "./bare-network.ts";
import { takeImageFiles } from "./image-files.ts";

/**
 * A first boot of the image leaves what cloud-init alone would leave. For every form of user data, what runs at such a boot runs
 * twice on the image's own files and beside a metadata service: our agent with what it hands over to cloud-init, and cloud-init
 * with Debian's settings. It runs as root of a folder, with this host's processor: booted emulated, the two would take twelve
 * times three minutes. That the units start all this is for image.test.ts, which boots.
 */

/** Every form of user data that cloud-init knows, and what is none: each leaves something in /root or /etc that tells of it. */
const forms = {
  none: undefined,
  script: `#!/bin/bash
echo "said on the way, by $(id -un) in $PWD with home [$HOME], $0, $(umask)"
echo "complained" >&2
env | cut -d= -f1 | grep -v -x -e _ -e SHLVL | sort >/root/environment
echo ran >>/root/ran
hostname -f >/root/name
sleep 1000 & # what goes on holds nobody up
`,
  "failing script": "#!/bin/sh\necho ran >>/root/ran\nexit 3\n",
  "script with carriage returns": "#!/bin/sh\r\necho ran >>/root/ran\r\n",
  "compressed script": gzipSync("#!/bin/sh\necho ran >>/root/ran\n"),
  "cloud-config": `#cloud-config
users: [default, {name: guest, gecos: A guest, groups: [users], shell: /bin/sh}]
write_files: [{path: /etc/written, content: by cloud-init, permissions: "0640"}]
runcmd: [[sh, -c, "echo ran >>/root/ran; echo said on the way"]]
`,
  "compressed cloud-config": gzipSync("#cloud-config\nruncmd: [[sh, -c, 'echo ran >>/root/ran']]\n"),
  multipart: `Content-Type: multipart/mixed; boundary="=="
MIME-Version: 1.0

--==
Content-Type: text/cloud-config; charset="us-ascii"

#cloud-config
write_files: [{path: /etc/written, content: by a part}]

--==
Content-Type: text/x-shellscript; charset="us-ascii"
Content-Disposition: attachment; filename="first.sh"

#!/bin/sh
echo ran >>/root/ran

--==
Content-Type: text/x-shellscript-per-boot; charset="us-ascii"
Content-Disposition: attachment; filename="each.sh"

#!/bin/sh
echo ran >>/root/each-boot

--==--
`,
  include: "#include\nhttp://169.254.169.254/latest/included\n",
  jinja: `## template: jinja
#cloud-config
write_files: [{path: /etc/written, content: "{{ v1.instance_id }} in {{ ds.meta_data.placement.availability_zone }}"}]
`,
  boothook: "#cloud-boothook\n#!/bin/sh\necho ran for $INSTANCE_ID >>/root/ran\n",
  "unknown text": "just text\n",
} as const satisfies Record<string, string | Buffer | undefined>;

/** What `include` includes. */
const included = "#!/bin/sh\necho included >>/root/ran\n";

/** All that may differ, `LOOK: - LINE` being what only cloud-init alone shows, and `LOOK: + LINE` what only the image shows. */
const mayDiffer: readonly (readonly [line: RegExp, because: string])[] = [
  [/DSA\)|ssh_host_dsa_key/, "no DSA key is made: Debian's sshd has no use for one"],
  [
    /^host keys: . \d+ root@/,
    "keys are made before the name is known: they tell their owner by the instance's id",
  ],
  [/^accounts: . (uid=100|(admin|guest):x:100)/, "the image has its user before user data makes others"],
  [
    /^changed: .*\/etc\/(passwd|group|g?shadow|sub[ug]id)-? /,
    "the image has its user before user data makes others",
  ],
  [/90-cloud-init-users/, "the image's user has a rule for sudo of the image's own"],
  [/\/etc\/ssl\/certs|ca-certificates/, "the image trusts its region's authority"],
  [/\/etc\/resolv\.conf/, "the search domain of the lease is the agent's to write down"],
  [/\.txt\.i |obj\.pkl|python-version|data: - 3\.11$/, "what cloud-init keeps for its own next stage"],
  [/cloud-id-aws/, "cloud-init 22.4 removes what its own link names"],
  [/^query as a user: .*"(python_version|system_platform)"/, "the agent does without Python"],
  [/^output: - .* running '(init|modules)/, "stages that do not run say nothing"],
  [/^output: . .*WARNING/, "the agent warns in fewer words"],
  [/DataSourceEc2|"ec2(local)?"/, "cloud-init starts when the network is up, where it has the user data"],
  [/^data: \+ NO_PREVIOUS_INSTANCE_ID/, "and so looks for the instance once, not twice"],
];

const scratch = mkdtempSync(join(tmpdir(), "croft-first-boot-"));
const image = join(scratch, "image");
const looksFile = join(scratch, "looks");
const metadata: BareMetadata = {
  instanceId: "i-00000000000000001",
  publicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRB20O0ZjRHYJJ7RPTucdhagIS4QDTF8+WrrO2nXnhz key",
  included,
};
const tableFile = join(scratch, "table");
let network: BareNetwork;

before(
  async () => {
    const { disk } = await bakeImage(readRecipe(defaultRecipe), {
      cacheDir: process.env["CROFT_CACHE_DIR"] ?? defaults.cacheDir,
      progress: () => {},
      signal: AbortSignal.timeout(600_000),
      date: new Date(),
    });
    await takeImageFiles(disk, image);
    const script = Object.entries(looks).map(
      ([name, look]) => `echo '=== ${name}'; { ${look}; } 2>&1 || true`,
    );
    writeFileSync(looksFile, script.join("\n"));
    network = await bareNetwork(`croft-first-${process.pid}`, metadata);
  },
  { timeout: 900_000 },
);

after(async () => {
  await network?.[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true });
});

const seenToDiffer = new Set<string>();

for (const [form, userData] of Object.entries(forms)) {
  test(`user data (${form}) ends as with cloud-init alone`, { timeout: 300_000 }, async () => {
    metadata.userData = userData;
    const alone = await endState("alone");
    assertAlike(alone, await endState("agent"));
    if (userData !== undefined) return;
    // Without user data the host tells by the firmware what else is asked for.
    const texts = ["croft", ...tellsOf(metadata)];
    writeFileSync(
      tableFile,
      `\x0b\x05\0\x0b${String.fromCharCode(texts.length)}${texts.map((text) => `${text}\n`).join("\0")}\0\0`,
    );
    assertAlike(alone, await endState("agent", tableFile));
  });
}

test("nothing is said to differ that does not", () => {
  assert.deepEqual(
    mayDiffer.map(([, because]) => because).filter((because) => !seenToDiffer.has(because)),
    [],
  );
});

const assertAlike = (alone: EndState, agent: EndState) => {
  const unexpected = differences(alone, agent).filter((line) => {
    const reasons = mayDiffer.filter(([pattern]) => pattern.test(line));
    for (const [, because] of reasons) seenToDiffer.add(because);
    return reasons.length === 0;
  });
  assert.deepEqual(unexpected, []);
};

/** Of each thing that is looked at, the lines that it shows. */
type EndState = ReadonlyMap<string, readonly string[]>;

const endState = async (kind: "agent" | "alone", ...table: string[]): Promise<EndState> => {
  const dir = join(scratch, kind);
  await mkdir(dir);
  const stages = [join(import.meta.dirname, "first-boot-stages"), image, dir, kind, looksFile, ...table];
  const apart = ["unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child", ...stages];
  const seen = await run("ip", ["netns", "exec", network.namespace, ...apart], { timeoutMs: 240_000 });
  await rm(dir, { recursive: true });
  const texts = seen.split(/^=== /m).slice(1);
  return new Map(
    texts.map((text): [string, string[]] => {
      const [name = "", ...lines] = text.trimEnd().split("\n");
      return [name, lines];
    }),
  );
};

const differences = (alone: EndState, agent: EndState): string[] =>
  Object.keys(looks).flatMap((name) => {
    const [from, to] = [alone.get(name) ?? [], agent.get(name) ?? []];
    return [
      ...from.filter((line) => !to.includes(line)).map((line) => `${name}: - ${line}`),
      ...to.filter((line) => !from.includes(line)).map((line) => `${name}: + ${line}`),
    ];
  });

/** Shell, run as root. What differs from one run to the next, or comes of the folder's being no machine, is left out here. */
const looks: Readonly<Record<string, string>> = {
  status: "cloud-init status --format json | sed '/last_update/d; /schemas/,/}/d'",
  "cloud-id": "cloud-id -l",
  "query as a user":
    "for what in v1 ds.meta_data.local_hostname userdata; do sudo -u admin cloud-init query $what; done",
  "query as root":
    "cloud-init query --format '{{ userdata }}{{ vendordata }}{{ v1.instance_id }} {{ ds.meta_data.placement }}'",
  names: "hostname; hostname -f; cat /etc/hostname; getent hosts $(hostname)",
  hosts: "cat /etc/hosts",
  accounts: `getent passwd | awk -F: '$3 >= 1000'; id admin; sudo -l -U admin | sed -n '/may run/,$p'; awk -F: '{ print $1, substr($2, 1, 1) }' /etc/shadow`,
  "host keys": "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -l -f $key | cut -d' ' -f1,3,4; done",
  sshd: "sshd -T | grep -e password -e permitroot -e hostkey | sort",
  changed: `find /etc /root /home /usr/local -newer /run/boot -type f | sort |
    while read -r file; do
      case $file in */ssh_host_* | */machine-id) sum=varies ;; *) sum=$(md5sum <$file | cut -c 1-8) ;; esac
      stat -c "%a %U:%G %n $sum" $file
    done`,
  "/var/lib/cloud": "find /var/lib/cloud -printf '%y %m %u:%g %p %l\\n' | sort -k 4",
  "/run/cloud-init": "find /run/cloud-init -printf '%y %m %u:%g %p %l\\n' | sort -k 4",
  data: "cd /var/lib/cloud/data && tail -n +1 *-* | cat",
  scripts: "cd /var/lib/cloud/instance && tail -n +1 scripts/* user-data.txt datasource | cat -v",
  logs: "stat -c '%a %U:%G %n' /var/log/cloud-init*",
  output:
    "sed -e 's/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/TIME/g; s/[0-9.]* seconds/N seconds/; s/, [0-9]* [A-Z][a-z][a-z] [0-9]*/DATE/' /var/log/cloud-init-output.log | grep -v -e '^ci-info' -e '^[|+]' -e 'key fingerprint' -e '^SHA256:' -e '^The key' -e '^Generating public' -e '^Your ' -e chroot -e 'fallback interface' -e 'network. key' -e overlay",
  made: "tail -n +1 /root/* /etc/written",
};
