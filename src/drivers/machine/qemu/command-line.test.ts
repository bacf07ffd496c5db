import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { MachineSpec } from "../machine-driver.ts";
import { commandLine } from "./command-line.ts";

const uuid = "ec2a1b2c-0000-4000-8000-123456789abc";
const smallest: MachineSpec = {
  id: "i-0123456789abcdef0",
  cpus: 2,
  threadsPerCore: 2,
  memoryMiB: 1024,
  identity: { uuid, product: "t3.micro" },
  boot: { by: "bios" },
  disks: [{ id: "vol-0123456789abcdef0", path: "/disks/a", below: [] }],
  ports: [],
};
const port = (n: number) => ({
  id: `eni-${n}`,
  mac: `02:00:00:00:00:0${n}`,
  mtu: 9001,
  namespace: "vpc",
  device: `tap${n}`,
});

/** The command line with one option a line, as it reads best. */
const lines = (argv: readonly string[]): string => argv.join(" ").replaceAll(/ (?=-[a-z])/g, "\n");

describe("QEMU's command line", () => {
  test("names an encrypted disk's secret by a file in its jail, and has no key in it", () => {
    const disk = { id: "vol-1", path: "/disks/b", below: ["/disks/a", "/images/debian"] };
    const encrypted = { key: "a wrapped key", files: 2 };
    const { argv, secrets } = commandLine({ ...smallest, disks: [{ ...disk, encrypted }] }, "tcg");
    assert.deepEqual(secrets, [{ key: "a wrapped key", inside: "/vol-1-key" }]);
    const nodes = argv.filter((it) => it.includes('"driver":"qcow2"'));
    assert.deepEqual(
      nodes.map((it) => it.includes('"encrypt":{"format":"luks","key-secret":"vol-1-key"}')),
      [false, true, true],
    );
    assert.ok(argv.includes('{"qom-type":"secret","id":"vol-1-key","file":"/vol-1-key"}'));
    assert.doesNotMatch(argv.join(), /a wrapped key/);
  });

  test("of an instance whose firmware tells more: of every text what it is, not an option", () => {
    const tells = ["croft.zone=us-east-1a", "croft.public-key=ssh-ed25519 AAAA me,file=/etc/shadow"];
    const { argv } = commandLine({ ...smallest, identity: { ...smallest.identity, tells } }, "tcg");
    assert.ok(
      argv.includes(
        "type=11,value=croft\n,value=croft.zone=us-east-1a\n,value=croft.public-key=ssh-ed25519 AAAA me,,file=/etc/shadow\n",
      ),
    );
  });

  test("of an instance that boots by a BIOS from a disk made of an image", () => {
    const disk = { id: "vol-0123456789abcdef0", path: "/disks/a", below: ["/images/debian"] };
    const { argv, opens, shows } = commandLine({ ...smallest, disks: [disk], ports: [port(1)] }, "tcg");
    assert.equal(
      lines(argv),
      `qemu-system-x86_64
-name i-0123456789abcdef0,debug-threads=on
-no-user-config
-nodefaults
-display none
-no-shutdown
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
-machine pc-q35-7.2,graphics=off,sata=off,usb=off,dump-guest-core=off
-accel tcg,thread=multi,tb-size=64
-cpu max
-smp 2,sockets=1,cores=1,threads=2
-m 1024M
-uuid ec2a1b2c-0000-4000-8000-123456789abc
-smbios type=0,vendor=Amazon EC2,version=1.0
-smbios type=1,manufacturer=Amazon EC2,product=t3.micro,serial=${uuid},uuid=${uuid}
-smbios type=2,manufacturer=Amazon EC2,asset=i-0123456789abcdef0
-smbios type=3,manufacturer=Amazon EC2,asset=Amazon EC2
-chardev socket,id=control,fd=3,server=on,wait=off
-mon chardev=control,mode=control
-chardev socket,id=backup,fd=4,server=on,wait=off
-mon chardev=backup,mode=control
-chardev ringbuf,id=console,size=131072
-serial chardev:console
-object rng-random,id=entropy,filename=/dev/urandom
-device virtio-rng-pci,rng=entropy,addr=0x3
-device virtio-balloon-pci,id=balloon,free-page-reporting=on,addr=0x6
-device VGA,vgamem_mb=4,addr=0x2
-device pcie-root-port,id=slot0,chassis=1,addr=0x10.0,multifunction=on
-device pcie-root-port,id=slot1,chassis=2,addr=0x10.1
-device pcie-root-port,id=slot2,chassis=3,addr=0x10.2
-device pcie-root-port,id=slot3,chassis=4,addr=0x10.3
-add-fd fd=5,set=1,opaque=vol-0123456789abcdef0
-add-fd fd=6,set=2,opaque=vol-0123456789abcdef0:written
-add-fd fd=7,set=2,opaque=vol-0123456789abcdef0
-object {"qom-type":"throttle-group","id":"vol-0123456789abcdef0-limits","limits":{"iops-total":0,"iops-total-max":0,"iops-total-max-length":1,"iops-size":0,"bps-total":0,"bps-total-max":0,"bps-total-max-length":1}}
-blockdev {"driver":"file","node-name":"vol-0123456789abcdef0-0-file","filename":"/dev/fdset/1","read-only":true}
-blockdev {"driver":"qcow2","node-name":"vol-0123456789abcdef0-0","file":"vol-0123456789abcdef0-0-file","backing":null,"read-only":true}
-blockdev {"driver":"file","node-name":"vol-0123456789abcdef0-1-file","filename":"/dev/fdset/2","discard":"unmap","auto-read-only":true}
-blockdev {"driver":"qcow2","node-name":"vol-0123456789abcdef0-1","file":"vol-0123456789abcdef0-1-file","backing":"vol-0123456789abcdef0-0","discard":"unmap"}
-blockdev {"driver":"throttle","node-name":"vol-0123456789abcdef0","file":"vol-0123456789abcdef0-1","throttle-group":"vol-0123456789abcdef0-limits","discard":"unmap"}
-device virtio-blk-pci,id=vol-0123456789abcdef0,drive=vol-0123456789abcdef0,serial=vol0123456789abcdef0,werror=stop,rerror=report,bootindex=1,addr=0x4
-netdev tap,id=eni-1-tap,fd=8
-device virtio-net-pci,id=eni-1,netdev=eni-1-tap,mac=02:00:00:00:00:01,host_mtu=9001,romfile=,addr=0x5
-boot strict=on`,
    );
    assert.deepEqual(opens, [
      { kind: "socket", name: "qmp" },
      { kind: "socket", name: "qmp-backup" },
      { kind: "file", path: "/images/debian", mode: "r" },
      { kind: "file", path: "/disks/a", mode: "r+" },
      { kind: "file", path: "/disks/a", mode: "r" },
      { kind: "tap", namespace: "vpc", device: "tap1" },
    ]);
    assert.deepEqual(shows, []);
  });

  test("gives an accelerated kernel the command line as it is", () => {
    const boot = { by: "kernel", image: "/k", initrd: "/i", commandLine: "root=/dev/vda1" } as const;
    const { argv } = commandLine({ ...smallest, boot }, "kvm");
    assert.equal(argv[argv.indexOf("-append") + 1], "root=/dev/vda1");
  });

  test("boots a kernel directly, shown in the jail under a name of its own", () => {
    const boot = {
      by: "kernel",
      image: "/cache/vmlinuz",
      initrd: "/cache/initrd",
      commandLine: "console=ttyS0 root=/dev/vda1",
    } as const;
    const { argv, shows } = commandLine({ ...smallest, boot }, "tcg");
    assert.deepEqual(argv.slice(-10), [
      "-kernel",
      "/boot/kernel",
      "-initrd",
      "/boot/initrd",
      "-append",
      "console=ttyS0 root=/dev/vda1 cryptomgr.notests",
      "-chardev",
      "ringbuf,id=refusal,size=16",
      "-device",
      "isa-serial,index=1,chardev=refusal",
    ]);
    assert.deepEqual(shows, [
      { outside: "/cache/vmlinuz", inside: "/boot/kernel" },
      { outside: "/cache/initrd", inside: "/boot/initrd" },
    ]);
  });

  test("boots by UEFI: the firmware's code from /usr, its variables by a descriptor", () => {
    const { argv, opens, shows } = commandLine({ ...smallest, boot: { by: "uefi" } }, "tcg");
    const text = lines(argv);
    assert.match(text, /"filename":"\/usr\/share\/OVMF\/OVMF_CODE_4M.fd","read-only":true/);
    assert.match(text, /\n-add-fd fd=5,set=1000\n.*"filename":"\/dev\/fdset\/1000"\}/);
    assert.match(text, /\n-machine pflash0=firmware,pflash1=variables\n/);
    assert.deepEqual(opens[2], { kind: "variables", from: "/usr/share/OVMF/OVMF_VARS_4M.fd" });
    assert.deepEqual(shows, []);
  });

  test("of a machine for arm64: QEMU's virt, always emulated on a PC, its firmware's variables from the package", () => {
    const { argv, opens, shows } = commandLine(
      {
        ...smallest,
        architecture: "arm64",
        threadsPerCore: 1,
        identity: { uuid, product: "t4g.micro" },
        boot: { by: "uefi" },
        ports: [port(1)],
      },
      process.arch === "x64" ? "kvm" : "tcg",
    );
    assert.equal(
      lines(argv),
      `qemu-system-aarch64
-name i-0123456789abcdef0,debug-threads=on
-no-user-config
-nodefaults
-display none
-no-shutdown
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
-machine virt-7.2,gic-version=3,dump-guest-core=off
-blockdev {"driver":"raw","node-name":"firmware","read-only":true,"file":{"driver":"file","filename":"/usr/share/AAVMF/AAVMF_CODE.fd","read-only":true}}
-add-fd fd=5,set=1000
-blockdev {"driver":"raw","node-name":"variables","file":{"driver":"file","filename":"/dev/fdset/1000"}}
-machine pflash0=firmware,pflash1=variables
-accel tcg,thread=multi,tb-size=64
-cpu neoverse-n1
-smp 2,sockets=1,cores=2,threads=1
-m 1024M
-uuid ${uuid}
-smbios type=0,vendor=Amazon EC2,version=1.0
-smbios type=1,manufacturer=Amazon EC2,product=t4g.micro,serial=${uuid},uuid=${uuid}
-smbios type=2,manufacturer=Amazon EC2,asset=i-0123456789abcdef0
-smbios type=3,manufacturer=Amazon EC2,asset=Amazon EC2
-chardev socket,id=control,fd=3,server=on,wait=off
-mon chardev=control,mode=control
-chardev socket,id=backup,fd=4,server=on,wait=off
-mon chardev=backup,mode=control
-chardev ringbuf,id=console,size=131072
-serial chardev:console
-object rng-random,id=entropy,filename=/dev/urandom
-device virtio-rng-pci,rng=entropy,addr=0x3
-device virtio-balloon-pci,id=balloon,free-page-reporting=on,addr=0x6
-device virtio-gpu-pci,max_hostmem=8M,addr=0x2
-device pcie-root-port,id=slot0,chassis=1,addr=0x10.0,multifunction=on
-device pcie-root-port,id=slot1,chassis=2,addr=0x10.1
-device pcie-root-port,id=slot2,chassis=3,addr=0x10.2
-device pcie-root-port,id=slot3,chassis=4,addr=0x10.3
-add-fd fd=6,set=1,opaque=vol-0123456789abcdef0:written
-add-fd fd=7,set=1,opaque=vol-0123456789abcdef0
-object {"qom-type":"throttle-group","id":"vol-0123456789abcdef0-limits","limits":{"iops-total":0,"iops-total-max":0,"iops-total-max-length":1,"iops-size":0,"bps-total":0,"bps-total-max":0,"bps-total-max-length":1}}
-blockdev {"driver":"file","node-name":"vol-0123456789abcdef0-0-file","filename":"/dev/fdset/1","discard":"unmap","auto-read-only":true}
-blockdev {"driver":"qcow2","node-name":"vol-0123456789abcdef0-0","file":"vol-0123456789abcdef0-0-file","backing":null,"discard":"unmap"}
-blockdev {"driver":"throttle","node-name":"vol-0123456789abcdef0","file":"vol-0123456789abcdef0-0","throttle-group":"vol-0123456789abcdef0-limits","discard":"unmap"}
-device virtio-blk-pci,id=vol-0123456789abcdef0,drive=vol-0123456789abcdef0,serial=vol0123456789abcdef0,werror=stop,rerror=report,bootindex=1,addr=0x4
-netdev tap,id=eni-1-tap,fd=8
-device virtio-net-pci,id=eni-1,netdev=eni-1-tap,mac=02:00:00:00:00:01,host_mtu=9001,romfile=,addr=0x5
-boot strict=on`,
    );
    assert.deepEqual(opens[2], { kind: "variables", from: "/usr/share/AAVMF/AAVMF_VARS.fd" });
    assert.deepEqual(shows, []);
  });

  test("uses the host's own CPU under KVM", () => {
    const text = lines(commandLine(smallest, "kvm").argv);
    assert.match(text, /\n-accel kvm\n-cpu host\n/);
    assert.doesNotMatch(text, /tcg|-cpu max/);
  });

  test("gives each further disk and interface a root port, and keeps four free", () => {
    const disks = [0, 1, 2].map((n) => ({ id: `vol-${n}`, path: `/disks/${n}`, below: [] }));
    const { argv } = commandLine({ ...smallest, disks, ports: [port(1), port(2)] }, "tcg");
    const devices = argv.filter((value) => /^virtio-(blk|net)/.test(value));
    assert.deepEqual(
      devices.map((device) => device.split(",").at(-1)),
      ["addr=0x4", "bus=slot1", "bus=slot2", "addr=0x5", "bus=slot0"],
    );
    assert.equal(argv.filter((value) => value.startsWith("pcie-root-port")).length, 3 + 4);
    const most = { mostPorts: 15, mostDisks: 27 };
    const roomy = commandLine({ ...smallest, disks, ports: [port(1)], ...most }, "tcg").argv;
    assert.equal(roomy.filter((value) => value.startsWith("pcie-root-port")).length, 14 + 26 + 4);
    assert.equal(new Set(argv.filter((value) => value.startsWith("fd="))).size, 2 * 3);
  });

  test("names no file of the host, only descriptors", () => {
    const { argv } = commandLine({ ...smallest, ports: [port(1)] }, "tcg");
    assert.doesNotMatch(argv.join(" "), /\/disks|tap1|vpc/);
  });
});
