import { once } from "node:events";
import { Socket } from "node:net";
import type { AnsweredCall } from "./answered-call.ts";
import { auditLine } from "./audit-line.ts";

/** Takes lines without waiting for anyone; false when it has too much to do, and then took nothing. */
export type AuditSink = (lines: string) => boolean;

/**
 * Notes every call, one line of JSON each. Lines are made once the answers of the moment are on their way. A sink that falls behind
 * loses lines rather than hold up calls, and a line of its own then says how many. So that nobody without a key can write the others'
 * lines out of a bounded file, only ten a second are of calls whose caller is not known; a line says how many more there were.
 */
export function auditTrail(
  { now }: { readonly now: () => Date },
  sink: AuditSink,
): (call: AnsweredCall) => void {
  let calls: AnsweredCall[] = [];
  let lost = 0;
  let unnoted = 0;
  let strangers = { second: 0, calls: 0 };
  return (call) => {
    if (!call.signedIn && isTooMuch()) {
      unnoted += 1;
      return;
    }
    if (calls.length === 0) setImmediate(write);
    calls.push(call);
  };

  function isTooMuch(): boolean {
    const second = Math.trunc(now().getTime() / 1000);
    strangers = { second, calls: second === strangers.second ? strangers.calls + 1 : 1 };
    return strangers.calls > mostStrangersASecond;
  }

  function write(): void {
    const lines = calls.map((call) => auditLine(call));
    calls = [];
    const gap = { ...(lost > 0 && { lost }), ...(unnoted > 0 && { unnoted }) };
    const gone = lost + unnoted > 0 ? `${JSON.stringify({ time: now().toISOString(), ...gap })}\n` : "";
    if (sink(gone + lines.join(""))) lost = unnoted = 0;
    else lost += lines.length;
  }
}

const mostStrangersASecond = 10;

/** To the process that holds the other end of this descriptor; `close` resolves when it has taken everything. */
export function auditPipe(fd: number): { readonly sink: AuditSink; close(): Promise<void> } {
  const pipe = new Socket({ fd, readable: false, writable: true });
  // The other end is gone, and with it soon this program.
  pipe.on("error", () => {});
  return {
    sink(lines) {
      if (pipe.writableLength > mostWaitingBytes) return false;
      pipe.write(lines);
      return true;
    },
    async close() {
      if (pipe.destroyed) return;
      const closed = once(pipe, "close");
      pipe.end(() => pipe.destroy());
      await closed;
    },
  };
}

const mostWaitingBytes = 8 * 1024 * 1024;
