import { testStore } from "../conformance.ts";
import { openMemoryStore } from "./memory-store.ts";

testStore("the store in memory", async (t, options) => {
  const store = openMemoryStore({ ...options, recentBytes: 1000 });
  t.after(() => store.close());
  return store;
});
