import assert from "node:assert/strict";
import { test } from "node:test";
import { confined } from "./confinement.ts";

const command = { argv: ["qemu", "-x"], shows: [{ outside: "/cache/vmlinuz", inside: "/boot/kernel" }] };
const words = (acceleration: "kvm" | "tcg") =>
  confined(command, { uid: 4711, cpus: 2, acceleration })
    .join(" ")
    .replace(/\S+\/jail\.sh/, "jail.sh");

test("a confined command passes through limits, new namespaces and a new root before it runs", () => {
  assert.equal(
    words("tcg"),
    "prlimit --core=0 --nofile=4096 --nproc=130 -- unshare --net --ipc --uts --mount --propagation private --" +
      " sh jail.sh 4711 /cache/vmlinuz /boot/kernel ro -- qemu -x",
  );
});

test("only a machine that uses KVM sees its device", () => {
  assert.match(words("kvm"), / \/boot\/kernel ro \/dev\/kvm \/dev\/kvm ro -- qemu -x$/);
  assert.doesNotMatch(words("tcg"), /kvm/);
});
