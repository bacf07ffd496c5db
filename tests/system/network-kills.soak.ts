import { test } from "node:test";
import { changesUnderKills } from "./network-kills.ts";

const changes = Number(process.env["CROFT_SOAK_ROUNDS"] ?? 500);
const seed = Number(process.env["CROFT_TEST_SEED"] ?? Date.now() % 2 ** 31);

test(`${changes} changes of networks under kill -9 leave what the records alone would make (CROFT_TEST_SEED=${seed})`, (t) =>
  changesUnderKills(t, changes, seed));
