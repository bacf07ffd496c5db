import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { pipeline, Readable } from "node:stream";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "#drivers/linux/commands.ts";
import { openQcow2Disks } from "#drivers/disk/qcow2/qcow2-disks.ts";
import { chainOf, KEY, locateSnapshot } from "#drivers/disk/qcow2/qcow2-layout.ts";
import { KeyRefused } from "#drivers/open-key.ts";
import { openDiskImports, type DiskImport } from "#images/disk-imports.ts";
import { newSeal, openSource, sealed } from "#images/import-source.ts";
import { importImage, importedDisk, removeImported, type ImportOptions } from "#images/import-image.ts";

const mebibyte = 1024 ** 2;
const scratch = mkdtempSync(join(tmpdir(), "croft-import-"));
const imagesDir = join(scratch, "images");
const uid = 0x5100_0000;
const at = (name: string) => join(scratch, name);
after(() => rm(scratch, { recursive: true }));

/** A disk of 3 MiB with a boot sector, text in the middle, and a hole. */
const contents = Buffer.alloc(3 * mebibyte);
contents.write("the middle", mebibyte);
contents.writeUInt16LE(0xaa55, 510);
before(() => writeFileSync(at("disk.raw"), contents));

const convert = async (format: string, name: string, ...options: string[]) => {
  await run("qemu-img", ["convert", "-f", "raw", "-O", format, ...options, at("disk.raw"), at(name)]);
  return at(name);
};
const importing = (source: string, options: Partial<ImportOptions> = {}, recording = async () => {}) =>
  importImage(
    imagesDir,
    {
      source,
      maxBytes: 64 * mebibyte,
      id: "ami-1",
      uid,
      progress: () => {},
      signal: AbortSignal.timeout(60_000),
      ...options,
    },
    recording,
  );
/** Writes what an encrypted file holds as a raw one. */
const decrypt = async (file: string, secret: string, to: string) => {
  writeFileSync(at("secret"), secret);
  const object = `secret,id=${KEY},file=${at("secret")}`;
  await run("qemu-img", ["convert", "--object", object, "-O", "raw", chainOf([file], 1), to]);
};
const beginningOf = (path: string, length: number): Buffer => {
  const file = openSync(path, "r");
  const bytes = Buffer.alloc(length);
  readSync(file, bytes);
  closeSync(file);
  return bytes;
};
/** The names of the files of the import that hold this text. */
const filesWith = (text: string): string[] =>
  left(true).filter(
    (name) => statSync(join(imagesDir, name)).isFile() && readFileSync(join(imagesDir, name)).includes(text),
  );
const left = (recursive = false) =>
  existsSync(imagesDir) ? readdirSync(imagesDir, { recursive, encoding: "utf8" }) : [];
const reset = () => removeImported(imagesDir, "ami-1");

describe("an import", { timeout: 300_000 }, () => {
  const sources: readonly [name: string, make: () => Promise<string>][] = [
    ["qcow2", () => convert("qcow2", "it.qcow2")],
    ["compressed qcow2", () => convert("qcow2", "packed.qcow2", "-c")],
    ["raw", async () => at("disk.raw")],
    ["vmdk", () => convert("vmdk", "it.vmdk")],
    ["stream-optimised vmdk", () => convert("vmdk", "stream.vmdk", "-o", "subformat=streamOptimized")],
    ["vhd", () => convert("vpc", "it.vhd", "-o", "force_size=on")],
    ["fixed vhd", () => convert("vpc", "fixed.vhd", "-o", "subformat=fixed,force_size=on")],
    ["vhdx", () => convert("vhdx", "it.vhdx")],
  ];
  for (const [name, make] of sources)
    test(`of ${name} finds the format, and makes a qcow2 file of the same bytes, for root's eyes only`, async () => {
      const said: string[] = [];
      await importing(await make(), { progress: (_, what) => void said.push(what) });
      const disk = importedDisk(imagesDir, "ami-1");
      const raw = at("back.raw");
      await run("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", disk, raw]);
      assert.deepEqual(beginningOf(raw, contents.length), contents);
      assert.deepEqual([statSync(disk).uid, statSync(disk).mode & 0o777], [0, 0o400]);
      assert.deepEqual(readdirSync(join(imagesDir, "ami-1")), ["disk.qcow2"]);
      assert.deepEqual([...new Set(said)], ["reading", "checking", "converting", "done"]);
      await reset();
      assert.deepEqual(left(), []);
    });

  for (const [name, make] of sources)
    test(`of ${name} that is to be encrypted makes a file of the same bytes, which are in no other meanwhile`, async () => {
      const secret = randomBytes(64).toString("hex");
      const said = new Set<string>();
      const lying = new Set<string>();
      const look = (_: number, what: string) => {
        said.add(what);
        for (const file of filesWith("the middle")) lying.add(file);
      };
      await importing(await make(), { secret, progress: look });
      await decrypt(importedDisk(imagesDir, "ami-1"), secret, at("back.raw"));
      assert.deepEqual(beginningOf(at("back.raw"), contents.length), contents);
      assert.deepEqual([...said], ["reading", "checking", "converting", "done"]);
      assert.deepEqual([...lying], []);
      await importing(await make(), { id: "ami-2", progress: look });
      assert.ok(lying.has("ami-2/disk.qcow2"));
      await removeImported(imagesDir, "ami-2");
      await reset();
    });

  test("whose source comes in pieces of no whole sectors is sealed as one that comes at once", async () => {
    const odd = contents.subarray(0, -100);
    const pieces = async function* () {
      for (let from = 0, n = 1; from < odd.length; from += n, n = (n * 7) % 99_991)
        yield odd.subarray(from, from + n);
    };
    const seal = newSeal();
    await using file = await open(at("sealed"), "w");
    await file.write(seal.header);
    for await (const bytes of sealed(pieces(), seal)) await file.write(bytes);
    await using source = await openSource(at("sealed"), seal);
    assert.deepEqual([source.bytes, await source.read(0, source.bytes)], [contents.length, contents]);
    assert.equal((await source.read(mebibyte + 4, 6)).toString(), "middle");
  });

  test("records what it made, whole GiB; when that fails nothing stays", async () => {
    const recorded: unknown[] = [];
    const record = async (image?: unknown) => {
      recorded.push(image, left());
      throw new Error("the name is taken");
    };
    await assert.rejects(importing(at("disk.raw"), {}, record), /the name is taken/);
    assert.deepEqual(recorded, [{ sizeGiB: 1 }, ["ami-1"]]);
    assert.deepEqual(left(), []);
  });

  test("that is interrupted, at whatever it is, leaves nothing, no process either", async () => {
    for (const step of ["reading", "checking", "converting"]) {
      const interrupt = new AbortController();
      const progress = (_: number, what: string) =>
        what === step && interrupt.abort(new Error("interrupted"));
      await assert.rejects(
        importing(await convert("qcow2", "it.qcow2"), { progress, signal: interrupt.signal }),
      );
      assert.deepEqual(left(), [], step);
    }
    await assert.rejects(run("pgrep", ["-U", String(uid)]), { exitCode: 1 });
  });

  test("that was killed leaves one folder, which the next removes", async () => {
    mkdirSync(join(imagesDir, ".importing"), { recursive: true });
    writeFileSync(join(imagesDir, ".importing", "source"), "half");
    await importing(at("disk.raw"));
    assert.deepEqual(left(), ["ami-1"]);
    await reset();
  });
});

const patched = async (path: string, position: number, bytes: Buffer) => {
  await using file = await open(path, "r+");
  await file.write(bytes, 0, bytes.length, position);
  return path;
};
const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};
const u32 = (value: number) => u64(BigInt(value)).subarray(4);

describe("no image is made of", { timeout: 300_000 }, () => {
  const refused: readonly [what: string, make: () => Promise<string>, sentence: RegExp, format?: "qcow2"][] =
    [
      [
        "a difference to a file of this host",
        async () => {
          const args = ["-F", "raw", "-b", "/etc/passwd", at("backing.qcow2"), "1M"];
          await run("qemu-img", ["create", "-q", "-u", "-f", "qcow2", ...args]);
          return at("backing.qcow2");
        },
        /needs another file/,
      ],
      [
        "a qcow2 whose data is in another file",
        async () => {
          const args = ["-o", `data_file=${at("data.raw")}`, at("outside.qcow2"), "1M"];
          await run("qemu-img", ["create", "-q", "-f", "qcow2", ...args]);
          return at("outside.qcow2");
        },
        /needs another file/,
      ],
      [
        "a vmdk that describes extents",
        async () => {
          writeFileSync(at("extents.vmdk"), extents);
          return at("extents.vmdk");
        },
        /only describes a VMDK/,
      ],
      [
        "a vmdk that hides that it describes extents",
        async () => {
          // A header of a sparse extent without capacity: what it describes is elsewhere.
          const header = Buffer.alloc(mebibyte);
          header.write("KDMV");
          header.writeUInt32LE(1, 4);
          header.writeUInt32LE(3, 8);
          header.writeBigUInt64LE(1n, 28);
          header.writeBigUInt64LE(20n, 36);
          header.write(extents, 512);
          writeFileSync(at("hidden.vmdk"), header);
          return at("hidden.vmdk");
        },
        /no whole vmdk disk|needs another file/,
      ],
      [
        "a vmdk that is a difference to another",
        async () => {
          await convert("vmdk", "parent.vmdk");
          await run("qemu-img", [
            "create",
            "-q",
            "-f",
            "vmdk",
            "-F",
            "vmdk",
            "-b",
            at("parent.vmdk"),
            at("child.vmdk"),
          ]);
          return at("child.vmdk");
        },
        /needs another file/,
      ],
      [
        "a disk of 1 EiB",
        async () => patched(await convert("qcow2", "absurd.qcow2"), 24, u64(1n << 60n)),
        /no whole qcow2 disk|no volume has more/,
      ],
      [
        "a disk of 1 PiB",
        async () => {
          await run("qemu-img", [
            "create",
            "-q",
            "-f",
            "qcow2",
            "-o",
            "cluster_size=2M",
            at("large.qcow2"),
            "1P",
          ]);
          return at("large.qcow2");
        },
        /no whole qcow2 disk|no volume has more than 65536 GiB/,
      ],
      [
        "bytes that only begin like qcow2",
        async () => {
          writeFileSync(at("claims.qcow2"), Buffer.concat([Buffer.from("QFI\xfb", "latin1"), contents]));
          return at("claims.qcow2");
        },
        /no whole qcow2 disk/,
      ],
      [
        "a qcow2 that was cut short",
        async () => {
          const path = await convert("qcow2", "cut.qcow2");
          truncateSync(path, statSync(path).size - 100_000);
          return path;
        },
        /no whole qcow2 disk/,
      ],
      [
        "a vmdk that was cut short",
        async () => {
          const path = await convert("vmdk", "cut.vmdk");
          truncateSync(path, statSync(path).size - 70_000);
          return path;
        },
        /no whole vmdk disk/,
      ],
      [
        "a table of 16 GiB to map it",
        async () => patched(await convert("qcow2", "l1.qcow2"), 36, u32(0x7fff_ffff)),
        /no whole qcow2 disk/,
      ],
      [
        "a table of 128 TiB to count it",
        async () => patched(await convert("qcow2", "refcounts.qcow2"), 56, u32(0x7fff_ffff)),
        /no whole qcow2 disk/,
      ],
      [
        "an encrypted disk",
        // Its header says that its clusters are encrypted by AES.
        async () => patched(await convert("qcow2", "locked.qcow2"), 32, u32(1)),
        /encrypt/,
      ],
      [
        "a packed disk",
        async () => {
          await run("gzip", ["-k", "-f", at("disk.raw")]);
          return at("disk.raw.gz");
        },
        /no disk of a format that can be imported \(qcow2, raw, vmdk, vhd, vhdx\)/,
      ],
      ["another format than it is said to be", async () => at("disk.raw"), /no whole qcow2 disk/, "qcow2"],
      [
        "an empty file",
        async () => {
          writeFileSync(at("empty"), "");
          return at("empty");
        },
        /is empty/,
      ],
      [
        "a symbolic link",
        async () => {
          symlinkSync(at("disk.raw"), at("link"));
          return at("link");
        },
        /is a symbolic link/,
      ],
      [
        "a pipe",
        async () => {
          await run("mkfifo", [at("pipe")]);
          return at("pipe");
        },
        /is no regular file/,
      ],
      ["a device", async () => "/dev/zero", /is no regular file/],
      ["a folder", async () => scratch, /is no regular file/],
      ["a file that is not there", async () => at("nowhere"), /cannot be opened/],
      ["what another protocol serves", async () => "ftp://127.0.0.1/disk.raw", /not by ftp/],
    ];
  for (const [what, make, sentence, format] of refused)
    test(what, async () => {
      const source = await make();
      for (const secret of [undefined, "0".repeat(128)]) {
        await assert.rejects(importing(source, { secret, ...(format && { format }) }), {
          name: "ImportRefused",
          message: sentence,
        });
        assert.deepEqual(left(), []);
      }
    });

  test("more bytes than are taken, read or unpacked", async () => {
    await assert.rejects(importing(at("disk.raw"), { maxBytes: mebibyte }), /more than the 1048576 bytes/);
    writeFileSync(at("bomb.raw"), Buffer.alloc(8 * mebibyte, 1));
    await run("qemu-img", ["convert", "-c", "-f", "raw", "-O", "qcow2", at("bomb.raw"), at("bomb.qcow2")]);
    assert.ok(statSync(at("bomb.qcow2")).size < mebibyte);
    await assert.rejects(
      importing(at("bomb.qcow2"), { maxBytes: 4 * mebibyte }),
      /comes to more than 4194304 bytes/,
    );
    assert.deepEqual(left(), []);
  });

  test("what is inside a raw disk that looks like a qcow2 with a backing file: it stays bytes", async () => {
    await run("qemu-img", [
      "create",
      "-q",
      "-u",
      "-f",
      "qcow2",
      "-F",
      "raw",
      "-b",
      "/etc/passwd",
      at("inner"),
      "1M",
    ]);
    await assert.rejects(importing(at("inner")), /needs another file/);
    await importing(at("inner"), { format: "raw" });
    const raw = at("inner.raw");
    await run("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", importedDisk(imagesDir, "ami-1"), raw]);
    const inner = readFileSync(at("inner"));
    assert.deepEqual(beginningOf(raw, inner.length), inner);
    await reset();
  });
});

function* endless() {
  for (;;) yield contents;
}

const extents = `# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicFlat"
RW 4 FLAT "/etc/passwd" 0
`;

describe("an import by URL", { timeout: 60_000 }, () => {
  const serve = async (listener: RequestListener) => {
    const server = createServer(listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    return {
      url: `http://127.0.0.1:${address.port}/disk.raw`,
      [Symbol.dispose]: () => {
        server.closeAllConnections();
        server.close();
      },
    };
  };

  test("takes what the server sends, its size known or not, and tells how far it is", async () => {
    for (const headers of [{}, { "content-length": contents.length }]) {
      const fractions: number[] = [];
      using server = await serve((_, response) => response.writeHead(200, headers).end(contents));
      await importing(server.url, { progress: (fraction) => void fractions.push(fraction) });
      assert.equal(fractions.at(-1), 1);
      assert.deepEqual(left(), ["ami-1"]);
      await reset();
    }
  });

  const failures: readonly [what: string, listener: RequestListener, sentence: RegExp][] = [
    ["has none", (_, response) => response.writeHead(404).end("none"), /the server answers 404 Not Found/],
    [
      "hangs up half way",
      (_, response) => {
        response.writeHead(200, { "content-length": contents.length });
        response.write(contents.subarray(0, mebibyte), () => response.destroy());
      },
      /the download failed/,
    ],
    [
      "announces too much",
      (_, response) => response.writeHead(200, { "content-length": 2 ** 40 }).end(),
      /more than the 67108864 bytes/,
    ],
    [
      "never ends",
      (_, response) => {
        pipeline(Readable.from(endless()), response.writeHead(200), () => {});
      },
      /more than the 67108864 bytes/,
    ],
    ["sends a page", (_, response) => response.end("<!doctype html>".padEnd(1000)), /no disk of a format/],
  ];
  for (const [what, listener, sentence] of failures)
    test(`is refused when the server ${what}; nothing stays`, async () => {
      using server = await serve(listener);
      await assert.rejects(importing(server.url), { name: "ImportRefused", message: sentence });
      assert.deepEqual(left(), []);
    });
});

test("a task's import becomes a snapshot of whole GiB with the same bytes; a hostile one ends with its reason", async () => {
  const directory = at("named");
  mkdirSync(directory);
  await convert("vmdk", "named/it.vmdk");
  await run("qemu-img", [
    "create",
    "-q",
    "-f",
    "qcow2",
    "-b",
    "/etc/passwd",
    "-F",
    "raw",
    at("named/bad.qcow2"),
    "1M",
  ]);
  const imports = openDiskImports({
    imagesDir,
    uid,
    guard: { directory, networks: [] },
    openKey: (key) => {
      if (key === "gone") throw new KeyRefused("it is disabled");
      return key;
    },
    keptBytes: 0,
    log: (line) => assert.fail(line),
  });
  const over = async (id: string, source: string, key?: string): Promise<DiskImport> => {
    for (;;) {
      const now = await imports.look(id, { source, key });
      if (now.state !== "running") return now;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  assert.deepEqual(await over("snap-1", "file:///it.vmdk"), { state: "done", sizeGiB: 1 });
  const refused = await over("snap-2", "file:///bad.qcow2");
  assert.match(
    refused.state === "failed" ? refused.reason : "",
    /^ClientError: it needs another file beside it/,
  );
  await imports.remove("snap-2");
  assert.deepEqual(await over("snap-2", "file:///it.vmdk", "gone"), {
    state: "failed",
    reason: "ClientError: it is to be encrypted, and the key cannot be used: it is disabled",
    isKeyRefused: true,
  });
  await imports.remove("snap-2");
  const disks = await openQcow2Disks(at("disks"), { uid, openKey: (key) => key });
  const key = "1".repeat(128);
  assert.deepEqual(await over("snap-3", "file:///it.vmdk", key), { state: "done", sizeGiB: 1 });
  const whole = statSync(imports.file("snap-3")).ino;
  for (const _ of "ab") await disks.importSnapshot("snap-3", imports.file("snap-3"), 2, key);
  await imports.remove("snap-3");
  const encrypted = await locateSnapshot(at("disks"), "snap-3");
  assert.deepEqual([statSync(encrypted.path).ino, encrypted.encrypted], [whole, { key, files: 1 }]);
  await decrypt(encrypted.path, key, at("snapshot.raw"));
  assert.equal(statSync(at("snapshot.raw")).size, 2 * 1024 ** 3);
  for (const _ of "ab") await disks.importSnapshot("snap-1", imports.file("snap-1"), 1);
  await imports.remove("snap-1");
  assert.deepEqual(left(), []);
  await disks.ensure({ id: "vol-1", sizeGiB: 1, snapshot: "snap-1" });
  const { path, below } = await disks.locate("vol-1");
  const raw = at("snapshot.raw");
  await run("qemu-img", ["convert", "-O", "raw", chainOf([path, ...below]), raw]);
  assert.equal(statSync(raw).size, 1024 ** 3);
  assert.deepEqual(beginningOf(raw, contents.length), contents);
});
