import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command, CommandTable } from "./command.ts";
import { commands } from "./commands.ts";

const all = async (table: CommandTable, path = ""): Promise<[string, Command][]> => {
  const found = Object.entries(table).map(async ([word, [, load]]) => {
    const { command } = await load();
    const own: [string, Command] = [`${path}${word}`, command];
    return [own, ...(command.words ? await all(command.words, `${word} `) : [])];
  });
  return (await Promise.all(found)).flat();
};

test("every command's help names each of its options, and no other", async () => {
  for (const [path, { usage, options = {} }] of await all(commands)) {
    const listed = usage
      .split("\n")
      .filter((line, at) => at === 0 || line.startsWith("  --"))
      .join(" ");
    const told = [...new Set([...listed.matchAll(/--(?!help)([a-z-]+)/g)].map(([, name = ""]) => name))];
    assert.deepEqual(told.toSorted(), Object.keys(options).toSorted(), `croft ${path}`);
  }
});

test("every command's help begins with its word", async () => {
  for (const [path, { usage }] of await all(commands)) assert.ok(usage.startsWith(path), path);
});
