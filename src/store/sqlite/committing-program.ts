import { writeSync } from "node:fs";
import { openSqliteStore } from "./sqlite-store.ts";

/**
 * For `kill.test.ts`: some callers commit without pause to the store in argv[2]. Each transaction writes its number in two
 * places and takes the one before away; the number goes to stdout as soon as the commit has returned.
 */
const store = await openSqliteStore(process.argv[2] ?? "");
const callers = 8;

async function commitOn(caller: number): Promise<never> {
  const last = await store.get(`left/${caller}`);
  for (let n = typeof last?.value === "number" ? last.value + 1 : 1; ; n++) {
    const both = ["left", "right"].map((side) => ({ key: `${side}/${caller}`, value: n }));
    await store.commit({
      expect: n === 1 ? [] : [{ exists: `once/${caller}/${n - 1}` }],
      put: [...both, { key: `once/${caller}/${n}`, value: "x".repeat(n % 3000) }],
      delete: n === 1 ? [] : [`once/${caller}/${n - 1}`],
    });
    writeSync(1, `${caller} ${n}\n`);
  }
}

await Promise.all(Array.from({ length: callers }, (_, caller) => commitOn(caller)));
