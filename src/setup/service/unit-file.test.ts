import assert from "node:assert/strict";
import { test } from "node:test";
import { shutdownUnitText, unitText } from "./unit-file.ts";

const unit = (...command: readonly string[]) =>
  unitText({ description: "Croft at 100 %", command, paths: ["/srv/a b"] });

test("the unit's command reaches the program as it was written", () => {
  const text = unit("/bin/croft", "start", "--image-alias=ami-*=debian 12", '--region="$HOME%h\\"');
  assert.match(
    text,
    /^ExecStart=\/bin\/croft start "--image-alias=ami-\*=debian 12" "--region=\\"\$\$HOME%%h\\\\\\""$/m,
  );
  assert.match(text, /^Description=Croft at 100 %%$/m);
  assert.match(text, /^RequiresMountsFor="\/srv\/a b"$/m);
});

test("stopping the unit stops its main process only, and the unit has no mounts of its own", () => {
  const text = unit("/bin/croft");
  assert.match(text, /^KillMode=process$/m);
  assert.doesNotMatch(
    text,
    /^(Protect(System|Home|Kernel\w+|ControlGroups|Proc)|Private\w+|\w+Paths|BindPaths|Root\w+)=/m,
  );
});

test("what shuts guests down is started by each way of this host's going off, and by nothing else", () => {
  const text = shutdownUnitText({
    description: "Croft",
    command: ["/bin/croft", "down"],
    unit: "croft.service",
  });
  assert.match(text, /^WantedBy=halt.target poweroff.target reboot.target kexec.target$/m);
  // Without this, systemd would cancel it when the shutdown begins.
  assert.match(text, /^DefaultDependencies=no$/m);
  assert.match(text, /^After=croft.service$/m);
  assert.doesNotMatch(text, /^ExecStop=/m);
});
