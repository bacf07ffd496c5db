import { seededRandom } from "#testing/seeded-random.ts";

/** For tests: `count` messages that were `whole` until bytes of it were changed, lost or added. The same ones each time. */
export function* damaged(whole: Buffer, count: number): Generator<Buffer> {
  const random = seededRandom(1);
  for (let round = 0; round < count; round += 1) {
    const bytes = Buffer.concat([whole, Buffer.alloc(random(40))]);
    for (let changes = random(8); changes > 0; changes -= 1) bytes[random(bytes.length)] = random(256);
    yield random(2) === 0 ? bytes : bytes.subarray(0, random(bytes.length));
  }
}
