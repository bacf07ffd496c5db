import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { kernelPayload } from "./kernel.ts";

/** One boot sector and two of setup, then whatever is at `offset` of the protected-mode code. */
const bzImage = (offset: number, payload: Buffer): Buffer => {
  const image = Buffer.alloc(3 * 512 + offset);
  image.writeUInt8(2, 0x1f1);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt32LE(offset, 0x248);
  image.writeUInt32LE(payload.length + 4, 0x24c);
  return Buffer.concat([image, payload, Buffer.from([0, 0, 1, 0]), Buffer.from("what follows")]);
};

describe("the kernel inside a bzImage", () => {
  test("is found by the boot protocol's header, without the size behind it", () => {
    const lz4 = Buffer.from([0x02, 0x21, 0x4c, 0x18, 1, 2, 3]);
    assert.deepEqual(kernelPayload(bzImage(64, lz4)), { packing: "lz4", payload: lz4 });
  });

  test("that is packed otherwise is not taken for LZ4", () => {
    assert.equal(kernelPayload(bzImage(64, Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))).packing, "other");
  });

  test("is not looked for in other files", () => {
    assert.throws(() => kernelPayload(Buffer.alloc(1024)), /not a bzImage/);
  });
});
