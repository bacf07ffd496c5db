import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { damaged } from "./damaged.ts";
import { answerNtp } from "./ntp.ts";

const now = Date.UTC(2026, 10, 23, 12, 0, 0, 250);
const seconds = (now - 250) / 1000 + 2_208_988_800;
const request = (first: number, length = 48) => {
  const bytes = Buffer.alloc(length, 0xaa);
  bytes.writeUInt8(first, 0);
  bytes.writeUInt8(6, 2);
  bytes.write("0123456789abcdef", 40, "hex");
  return bytes;
};

describe("NTP", () => {
  test("passes on the host's clock, byte for byte", () => {
    const time = `${seconds.toString(16)}40000000`;
    const reference = (Math.floor(seconds / 64) * 64).toString(16);
    assert.equal(
      answerNtp(request(0x23), now)?.toString("hex"),
      `240306f6${"00000042".repeat(2)}7f7f0100${reference}000000000123456789abcdef${time}${time}`,
    );
  });

  for (const version of [1, 2, 3, 4])
    test(`answers version ${version} in kind`, () => {
      assert.equal(answerNtp(request((version << 3) | 3), now)?.[0], (version << 3) | 4);
    });

  test("answers a longer request (extensions, a MAC) with the plain 48 bytes", () => {
    assert.equal(answerNtp(request(0x23, 68), now)?.length, 48);
  });

  test("says nothing to other modes, other versions, and less than a request", () => {
    for (const mode of [0, 1, 2, 4, 5, 6, 7]) assert.equal(answerNtp(request(0x20 | mode), now), undefined);
    for (const version of [0, 5, 6, 7]) assert.equal(answerNtp(request((version << 3) | 3), now), undefined);
    assert.equal(answerNtp(request(0x23, 47), now), undefined);
  });

  test("goes on after the year 2036, when the seconds start over", () => {
    const later = Date.UTC(2036, 1, 8);
    assert.equal(answerNtp(request(0x23), later)?.readUInt32BE(40), later / 1000 + 2_208_988_800 - 2 ** 32);
  });

  test("never throws, and never answers more than was sent", () => {
    fc.assert(
      fc.property(damaged(request(0x23)), (bytes) => (answerNtp(bytes, now)?.length ?? 0) <= bytes.length),
      { numRuns: 5_000 },
    );
  });
});
