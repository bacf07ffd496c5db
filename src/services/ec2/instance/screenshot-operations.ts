import { setTimeout as delay } from "node:timers/promises";
import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { incorrectState } from "../errors.ts";
import { instancesOf } from "./instance-change.ts";
import { touchedInstance, instanceState, type ScreenshotRecord } from "./instance.ts";

/** How long a host may take. */
const patienceMs = 10_000;

export const screenshotOperations = {
  GetConsoleScreenshot: {
    resolve({ InstanceId: id, WakeUp: wakeUp = false }, context): ScreenshotPlan {
      const { records, now } = context;
      const [instance] = instancesOf([id], context);
      if (!instance || instanceState(instance) !== "running") throw incorrectState(id, "running");
      const key = records.key("screenshot", id);
      const before = records.entry<"screenshot">("screenshot", id);
      const count = (before?.value.wanted.count ?? 0) + 1;
      const value: ScreenshotRecord = {
        id,
        wanted: { count, wakeUp, until: new Date(now().getTime() + patienceMs).toISOString() },
        so: before?.value.so ?? { count: 0, jpeg: "" },
        tags: {},
        createdAt: now().toISOString(),
      };
      return {
        touches: [touchedInstance(instance, context)],
        transaction: {
          expect: [
            { exists: records.key("instance", id) },
            before ? { at: [key, before.revision] } : { absent: key },
          ],
          put: [{ key, value }],
        },
        value,
      };
    },
    answer: async ({ value }: ScreenshotPlan, context) => ({
      InstanceId: value.id,
      ImageData: await taken(value, context),
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

interface ScreenshotPlan extends OperationPlan {
  readonly value: ScreenshotRecord;
}

/** Of this count, or of a later one. */
async function taken({ id, wanted }: ScreenshotRecord, { records }: Ec2Context): Promise<string> {
  const over = AbortSignal.timeout(patienceMs);
  while (!over.aborted) {
    const so = records.get("screenshot", id)?.so;
    if (so && so.count >= wanted.count) return so.jpeg;
    await Promise.race([records.changed(), delay(patienceMs, undefined, { signal: over }).catch(() => {})]);
  }
  throw new Error(`the host took no picture of the screen of ${id} in ${patienceMs / 1000} s`);
}
