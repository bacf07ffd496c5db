import assert from "node:assert/strict";
import { test } from "node:test";
import { page } from "./pagination.ts";

const letters = "abcdefghijklmnopqrstuvwxyz".split("");
const one = (items: readonly string[], MaxResults?: number, NextToken?: string) =>
  page(items, (it) => it, { MaxResults, NextToken });

test("without a size everything is one page", () => {
  assert.deepEqual(one(letters), { items: letters, nextToken: undefined });
});

test("pages follow each other until the last, which has no token", () => {
  const seen: string[] = [];
  let token: string | undefined;
  let pages = 0;
  do {
    const { items, nextToken } = one(letters, 5, token);
    seen.push(...items);
    token = nextToken;
    pages++;
  } while (token !== undefined);
  assert.deepEqual(seen, letters);
  assert.equal(pages, 6);
});

test("a last page that is full has no token either", () => {
  assert.equal(one(letters.slice(0, 5), 5).nextToken, undefined);
  assert.equal(one([], 5).nextToken, undefined);
});

test("what comes and goes between pages neither repeats nor hides others", () => {
  const { nextToken } = one(letters, 5);
  const changed = letters.filter((letter) => letter !== "e" && letter !== "f").concat("zz");
  assert.deepEqual(one(changed, 5, nextToken).items, ["g", "h", "i", "j", "k"]);
});

test("a token whose successors are all gone gives an empty last page", () => {
  const { nextToken } = one(letters, 5);
  assert.deepEqual(one(["a", "b"], 5, nextToken), { items: [], nextToken: undefined });
});

test("a page has from 5 to 1,000 items", () => {
  assert.equal(one(letters, 1000).items.length, 26);
  assert.throws(() => one(letters, 4), {
    code: "InvalidParameterValue",
    message: "Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than 5.",
  });
  for (const size of [0, -1, 1001])
    assert.throws(() => one(letters, size), { code: "InvalidParameterValue" });
});

test("a token that was never given is refused", () => {
  for (const token of ["", "c", "Y3JvZnQ", "e30=", "☃"])
    assert.throws(() => one(letters, 5, token), { code: "InvalidNextToken" });
});

test("a token does not show what it names", () => {
  assert.doesNotMatch(one(["i-0123", "i-0124", "i-2", "i-3", "i-4", "i-5"], 5).nextToken ?? "", /i-/);
});
