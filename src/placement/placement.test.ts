import assert from "node:assert/strict";
import { test } from "node:test";
import { place, type Room } from "./placement.ts";

const room = (hostId: string, more: Partial<Room> = {}): Room => ({
  hostId,
  zones: ["a", "b"],
  architectures: ["x86_64"],
  memoryMiB: 16_384,
  freeMiB: 4096,
  ...more,
});
const need = { zone: "a", architecture: "x86_64", memoryMiB: 1024, count: 1 };

test("the host with the most free memory is chosen", () => {
  const rooms = [room("1", { freeMiB: 2048 }), room("2", { freeMiB: 4096 }), room("3", { freeMiB: 1024 })];
  assert.deepEqual(place(rooms, need), { hostId: "2" });
});

test("an instance that takes all there is fits, one that takes more does not", () => {
  assert.deepEqual(place([room("1", { freeMiB: 1024 })], need), { hostId: "1" });
  assert.deepEqual(place([room("1", { freeMiB: 1023 })], need), {
    why: "1024 MiB of memory are asked for, 1023 MiB are free.",
  });
});

test("a host promised to the full, or past it, has nothing free", () => {
  assert.deepEqual(place([room("1", { freeMiB: -512 })], need), {
    why: "1024 MiB of memory are asked for, 0 MiB are free.",
  });
});

test("a roomier host of another zone or architecture does not count", () => {
  const rooms = [
    room("1", { zones: ["c"], freeMiB: 9999 }),
    room("2", { architectures: ["arm64"], freeMiB: 9999 }),
    room("3"),
  ];
  assert.deepEqual(place(rooms, need), { hostId: "3" });
});

test("where no host serves the zone with the architecture, that is the reason", () => {
  for (const rooms of [[], [room("1", { zones: ["c"] })], [room("1", { architectures: ["arm64"] })]])
    assert.deepEqual(place(rooms, need), { why: "No x86_64 host serves the zone." });
});

test("several fit where there is room for all of them", () => {
  assert.deepEqual(place([room("1")], { ...need, count: 4 }), { hostId: "1" });
  assert.deepEqual(place([room("1")], { ...need, count: 5 }), {
    why: "5120 MiB of memory are asked for, 4096 MiB are free.",
  });
});

test("an instance larger than every host gets the largest that is free, and one that a host can hold goes there", () => {
  const rooms = [room("1", { memoryMiB: 8192, freeMiB: 8192 }), room("2", { freeMiB: 16_384 })];
  assert.deepEqual(place(rooms, { ...need, memoryMiB: 65_536 }), { hostId: "2" });
  assert.deepEqual(place(rooms, { ...need, memoryMiB: 12_288 }), { hostId: "2" });
  const busy = [rooms[0]!, room("2", { freeMiB: 16_383 })];
  assert.deepEqual(place(busy, { ...need, memoryMiB: 65_536 }), { hostId: "1" });
  assert.deepEqual(place(busy, { ...need, memoryMiB: 65_536, count: 2 }), {
    why: "32768 MiB of memory are asked for, 16383 MiB are free.",
  });
});
