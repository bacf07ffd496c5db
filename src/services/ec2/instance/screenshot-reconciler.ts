import { encode } from "jpeg-js";
import type { MachineDriver, Picture } from "#drivers/machine/machine-driver.ts";
import { moved, settled, type Outcome } from "#reconcile/outcome.ts";
import type { Ec2Records } from "../records.ts";
import type { ScreenshotRecord } from "./instance.ts";

export interface ScreenshotHost {
  readonly hostId: string;
  readonly machines: Pick<MachineDriver, "screenshot">;
  readonly now: () => Date;
}

/** Takes the picture that is waited for; one that cannot be taken in time is not taken later. */
export async function reconcileScreenshot(
  id: string,
  records: Ec2Records,
  { hostId, machines, now }: ScreenshotHost,
): Promise<Outcome> {
  const entry = records.entry("screenshot", id);
  if (!entry || records.get("instance", id)?.hostId !== hostId) return settled;
  const { key, revision, value } = entry;
  const { wanted, so } = value;
  if (so.count >= wanted.count || now().toISOString() > wanted.until) return settled;
  const picture = await machines.screenshot(id, { wake: wanted.wakeUp });
  if (!picture) return settled;
  const answered: ScreenshotRecord = { ...value, so: { count: wanted.count, jpeg: jpeg(picture) } };
  return moved({ expect: [{ at: [key, revision] }], put: [{ key, value: answered }] });
}

/** In base64, of a quality at which it fits into a record. */
function jpeg({ width, height, rgb }: Picture): string {
  const data = withAlpha(rgb);
  for (const quality of [75, 20]) {
    const { data: bytes } = encode({ width, height, data }, quality);
    if (bytes.length <= mostBytes) return bytes.toString("base64");
  }
  throw new Error(`the screen of ${width} by ${height} pixels makes too large a picture`);
}

const mostBytes = 256 * 1024;

function withAlpha(rgb: Buffer): Buffer {
  const rgba = Buffer.alloc((rgb.length / 3) * 4, 255);
  for (let from = 0, to = 0; from < rgb.length; to++) {
    rgba[to++] = rgb[from++] ?? 0;
    rgba[to++] = rgb[from++] ?? 0;
    rgba[to++] = rgb[from++] ?? 0;
  }
  return rgba;
}
