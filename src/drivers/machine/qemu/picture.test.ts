import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parsePpm, pictureIn } from "./picture.ts";

const scratch = mkdtempSync(join(tmpdir(), "croft-picture-"));
after(() => rmSync(scratch, { recursive: true }));
const path = join(scratch, "screen");

const ppm = (header: string, bytes: number) => Buffer.concat([Buffer.from(header), Buffer.alloc(bytes, 7)]);

describe("a picture of the screen", () => {
  test("is read from what was drawn; only root could see the file, and it is gone", async () => {
    const picture = await pictureIn(path, async (fd) => {
      assert.equal(statSync(path).mode & 0o777, 0o600);
      writeSync(fd, ppm("P6\n4 2\n255\n", 24));
    });
    assert.deepEqual(picture, { width: 4, height: 2, rgb: Buffer.alloc(24, 7) });
    assert.equal(existsSync(path), false);
  });

  test("is no other thing, whatever the guest made QEMU write", () => {
    for (const [header, bytes] of [
      ["", 0],
      ["P6\n4 2\n255\n", 23],
      ["P6\n4 2\n255\n", 25],
      ["P6\n0 0\n255\n", 0],
      ["P6\n99999 99999\n255\n", 3],
      ["P6\n-4 -2\n255\n", 24],
      ["P5\n4 2\n255\n", 24],
      ["P6\n4 2\n65535\n", 24],
    ] as const)
      assert.throws(() => parsePpm(ppm(header, bytes)), /no picture/, header);
  });

  test("is refused when it is larger than a screen can be, and leaves no file when it cannot be drawn", async () => {
    await assert.rejects(
      pictureIn(path, async (fd) => void writeSync(fd, ppm("P6\n3000 1000\n255\n", 9_000_000))),
      /larger/,
    );
    await assert.rejects(
      pictureIn(path, () => Promise.reject(new Error("no screen"))),
      /no screen/,
    );
    assert.equal(existsSync(path), false);
  });
});
