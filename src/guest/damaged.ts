import * as fc from "fast-check";

/** For tests: messages that were `whole` until bytes of it were changed, cut off or added, and any others. */
export const damaged = (whole: Buffer): fc.Arbitrary<Buffer> => {
  const change = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) });
  const wounds = fc.record({
    changes: fc.array(change, { maxLength: 8 }),
    keep: fc.oneof(fc.constant(whole.length), fc.nat(whole.length)),
    added: fc.uint8Array({ maxLength: 40 }),
  });
  const wounded = wounds.map(({ changes, keep, added }) => {
    const bytes = Buffer.from(whole);
    for (const { at, to } of changes) bytes[at] = to;
    return Buffer.concat([bytes.subarray(0, keep), added]);
  });
  const anything = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ arbitrary: wounded, weight: 9 }, { arbitrary: anything, weight: 1 });
};
