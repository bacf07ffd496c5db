import assert from "node:assert/strict";
import { test } from "node:test";
import { debianPackages, missingPackages, packagesFor, testPackages } from "./debian-packages.ts";

test("on a bare machine every package is missing", () => {
  assert.deepEqual(
    missingPackages(debianPackages, () => false),
    debianPackages,
  );
});

test("a package whose command came another way is not missing", () => {
  const missing = missingPackages(debianPackages, (provided) => provided !== "nft");
  assert.deepEqual(
    missing.map(({ name }) => name),
    ["nftables"],
  );
});

test("every package says by what it is recognised and what it is for, once", () => {
  const all = [...debianPackages, ...packagesFor.arm64, ...testPackages];
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const { name, provides, why } of all) {
    assert.match(name, /^[a-z0-9][a-z0-9.+-]+$/);
    assert.ok(why.length > 0);
    assert.ok(provides.startsWith("/") || !provides.includes("/"));
  }
});
