import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cpio } from "./cpio.ts";
import { inLoadingOrder } from "./initrd.ts";

const modulesDep = `kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
`;

describe("the modules of an initrd", () => {
  test("are loaded after what they need, each once", () => {
    assert.deepEqual(inLoadingOrder(["virtio_blk", "virtio"], modulesDep), [
      "kernel/drivers/virtio/virtio_ring.ko",
      "kernel/drivers/virtio/virtio.ko",
      "kernel/drivers/block/virtio_blk.ko",
    ]);
  });

  test("must be the kernel's", () => {
    assert.throws(() => inLoadingOrder(["virtio_blk", "nvme"], modulesDep), /no module nvme/);
  });
});

describe("a cpio archive", () => {
  test("has a header of 110 characters and four-byte alignment for every entry, and an end", () => {
    const archive = cpio([
      { path: "dev", mode: 0o040755 },
      { path: "init", mode: 0o100755, contents: Buffer.from("hello") },
    ]);
    const text = archive.toString("latin1");
    assert.equal(text.slice(0, 22), "07070100000001000041ed");
    const [dev, init, end] = [0, text.indexOf("070701", 1), text.indexOf("070701", 130)].map((at) =>
      text.slice(at),
    );
    assert.equal(dev?.slice(110, 114), "dev\0");
    assert.equal(init?.slice(54, 62), "00000005");
    assert.equal(init?.slice(116, 124), "hello\0\0\0");
    assert.equal(end?.slice(110, 121), "TRAILER!!!\0");
    assert.equal(archive.length % 4, 0);
  });
});
