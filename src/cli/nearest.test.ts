import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "./nearest.ts";

const words = ["start", "status", "down", "destroy"];

test("a slip of the finger still finds the word", () => {
  assert.equal(nearest("strat", words), "start");
  assert.equal(nearest("donw", words), "down");
});

test("the beginning of a word finds it", () => {
  assert.equal(nearest("dest", words), "destroy");
});

test("nothing is guessed for a word that is like none", () => {
  assert.equal(nearest("launch", words), undefined);
});
