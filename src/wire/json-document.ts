import type { DocumentForm } from "./document-output.ts";
import type { DocumentScalars } from "./document-source.ts";
import { formatTime, parseTime } from "./scalar-text.ts";

/** How JSON says what it has no type for: bytes in base64, times in seconds since 1970 unless the schema says otherwise. */
export const jsonForm: DocumentForm = {
  blob: (bytes) => Buffer.from(bytes).toString("base64"),
  time: (time, kind) =>
    kind === "iso-time" || kind === "http-time" ? formatTime(time, kind) : time.getTime() / 1000,
  float: (value) => (Number.isFinite(value) ? value : String(value)),
};

export const jsonScalars: DocumentScalars = {
  blob: (value) =>
    typeof value === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(value)
      ? new Uint8Array(Buffer.from(value, "base64"))
      : undefined,
  time(value) {
    if (typeof value === "string") return parseTime(value);
    const time = new Date(typeof value === "number" ? value * 1000 : Number.NaN);
    return Number.isNaN(time.getTime()) ? undefined : time;
  },
};
