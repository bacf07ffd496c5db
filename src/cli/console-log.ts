import type { GrowingLog } from "./logs.ts";
import { plainText } from "./plain-text.ts";
import { callEc2, valuesOf } from "./region-api.ts";

/** What the instance prints on its serial console, as GetConsoleOutput has it: the last 64 KiB. Throws `Refusal`. */
export const consoleLog = (
  dataDir: string,
  instanceId: string,
  ask: typeof callEc2 = callEc2,
): GrowingLog => {
  let seen = Buffer.alloc(0);
  let rest = "";
  return {
    intervalMs: 1000,
    async next() {
      const answer = await ask(dataDir, "GetConsoleOutput", { InstanceId: instanceId });
      const printed = Buffer.from(valuesOf("output", answer)[0] ?? "", "base64");
      const first = seen.length === 0;
      const fresh = added(seen, printed);
      seen = printed;
      const lines = (rest + fresh.toString("latin1")).split("\n");
      rest = lines.pop() ?? "";
      // What stands alone at the start, a prompt perhaps, may never become a whole line.
      if (first && rest !== "") {
        lines.push(rest);
        rest = "";
      }
      return lines.map((line) => plainText(Buffer.from(line, "latin1").toString()));
    },
  };
};

/** What came after `before`, of which the first part may have been dropped since; all when nothing of it is left. */
export const added = (before: Buffer, now: Buffer): Buffer => {
  const tail = before.subarray(-tailBytes);
  const at = now.lastIndexOf(tail);
  return tail.length === 0 || at === -1 ? now : now.subarray(at + tail.length);
};

/** Long enough to stand in a console once only. */
const tailBytes = 4096;
