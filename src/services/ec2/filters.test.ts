import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "#testing/seeded-random.ts";
import { filtered, type FilterTable } from "./filters.ts";

interface Machine {
  readonly id: string;
  readonly zone?: string;
  readonly groups: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}
const table: FilterTable<Machine> = { id: (it) => it.id, zone: (it) => it.zone, group: (it) => it.groups };
const machines: readonly Machine[] = [
  { id: "i-1", zone: "a", groups: ["web", "ssh"], tags: { Name: "front", team: "" } },
  { id: "i-2", zone: "b", groups: ["db"], tags: { Name: "back" } },
  { id: "i-3", groups: [], tags: {} },
];
const ids = (...filters: [name: string, ...values: string[]][]) =>
  filtered(
    machines,
    filters.map(([Name, ...Values]) => ({ Name, Values })),
    table,
  ).map(({ id }) => id);

test("no filters let everything through", () => {
  assert.deepEqual(filtered(machines, undefined, table), machines);
  assert.deepEqual(filtered(machines, [], table), machines);
});

test("any value of a filter is enough, and every filter must match", () => {
  assert.deepEqual(ids(["zone", "a", "b"]), ["i-1", "i-2"]);
  assert.deepEqual(ids(["zone", "a", "b"], ["group", "db"]), ["i-2"]);
  assert.deepEqual(ids(["zone", "a"], ["group", "db"]), []);
});

test("an item with several values matches by any of them, one with none by nothing", () => {
  assert.deepEqual(ids(["group", "ssh"]), ["i-1"]);
  assert.deepEqual(ids(["zone", "*"]), ["i-1", "i-2"]);
});

test("names and values are case-sensitive and match whole", () => {
  assert.deepEqual(ids(["zone", "A"]), []);
  assert.deepEqual(ids(["id", "i-"]), []);
  assert.throws(() => ids(["Zone", "a"]), { code: "InvalidParameterValue" });
});

test("tags are found by key and value, by key alone, and by nothing an object only inherits", () => {
  assert.deepEqual(ids(["tag:Name", "fr*"]), ["i-1"]);
  assert.deepEqual(ids(["tag:team", ""]), ["i-1"]);
  assert.deepEqual(ids(["tag-key", "Name"]), ["i-1", "i-2"]);
  assert.deepEqual(ids(["tag:constructor", "*"]), []);
  assert.deepEqual(ids(["tag:__proto__", "*"]), []);
});

test("an unknown filter is refused, also one named like a property of every object", () => {
  for (const name of ["colour", "constructor", "__proto__", "toString", ""])
    assert.throws(() => ids([name, "*"]), {
      code: "InvalidParameterValue",
      message: `The filter '${name}' is invalid`,
    });
});

test("a filter without values is refused, though nothing could match it", () => {
  assert.throws(() => ids(["id"]), { code: "InvalidParameterValue" });
});

test("a request has up to 200 values in all its filters together", () => {
  const many = Array.from({ length: 100 }, (_, n) => `i-${n}`);
  assert.deepEqual(ids(["id", ...many], ["id", ...many]), ["i-1", "i-2", "i-3"]);
  assert.throws(() => ids(["id", ...many], ["id", ...many], ["zone", "a"]), {
    code: "FilterLimitExceeded",
    message: "The maximum number of filter values specified on a single call is 200",
  });
});

const patterns: readonly [pattern: string, value: string, matches: boolean][] = [
  ["*", "", true],
  ["?", "", false],
  ["?", "x", true],
  ["a*c", "ac", true],
  ["a*c", "abcbc", true],
  ["a*c", "abcb", false],
  ["a?c", "abc", true],
  ["a?c", "abbc", false],
  ["*a*b*", "xxaxxb", true],
  ["\\*", "*", true],
  ["\\*", "x", false],
  ["\\?", "?", true],
  ["\\\\", "\\", true],
  ["\\*amazon\\?\\\\", "*amazon?\\", true],
  ["a\\", "a\\", true],
  ["a.c", "abc", false],
  ["[a]", "a", false],
];
for (const [pattern, value, matches] of patterns)
  test(`the pattern ${pattern} ${matches ? "matches" : "does not match"} "${value}"`, () => {
    assert.equal(matchesPattern(pattern, value), matches);
  });

test("20,000 random patterns match what a regular expression of the same meaning matches", () => {
  const random = seededRandom(7);
  const text = (letters: string, most: number) =>
    Array.from({ length: random(most) }, () => letters.charAt(random(letters.length))).join("");
  let matched = 0;
  for (let n = 0; n < 20_000; n++) {
    const [pattern, value] = [text("ab*?\\", 8), text("ab*?\\", 8)];
    const expected = reference(pattern).test(value);
    assert.equal(matchesPattern(pattern, value), expected, `${pattern} on ${value}`);
    if (expected) matched++;
  }
  assert.ok(matched > 1000, `only ${matched} matched: the letters are too many`);
});

test("a pattern made to be slow is not", { timeout: 2000 }, () => {
  const value = "a".repeat(5000);
  assert.equal(matchesPattern("*a".repeat(100) + "b", value), false);
});

const matchesPattern = (pattern: string, value: string) =>
  filtered([{ value }], [{ Name: "value", Values: [pattern] }], { value: (it) => it.value }).length === 1;

function reference(pattern: string): RegExp {
  const source = pattern.replaceAll(/\\?[^]/g, (token) => {
    if (token === "*") return "[^]*";
    if (token === "?") return "[^]";
    const char = token.length === 2 ? token.charAt(1) : token;
    return /\w/.test(char) ? char : `\\${char}`;
  });
  return new RegExp(`^${source}$`);
}
