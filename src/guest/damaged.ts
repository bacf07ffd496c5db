/** For tests: `count` messages that were `whole` until bytes of it were changed, lost or added. The same ones each time. */
export function* damaged(whole: Buffer, count: number): Generator<Buffer> {
  let state = 1;
  // A linear congruential generator (Knuth's): what matters is that a failure can be repeated.
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  for (let round = 0; round < count; round += 1) {
    const bytes = Buffer.concat([whole, Buffer.alloc(below(40))]);
    for (let changes = below(8); changes > 0; changes -= 1) bytes[below(bytes.length)] = below(256);
    const atEnd = below(2) === 0;
    yield bytes.subarray(0, atEnd ? bytes.length : below(bytes.length + 1));
  }
}
