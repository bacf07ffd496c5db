const free = 5;
const shortestMs = 30_000;
const longestMs = 3_600_000;

/**
 * How many wrong codes were tried for each MFA device, so that nobody finds the right one by trying: after the fifth in a row a device takes none
 * for half a minute, after each further one for twice as long, up to an hour. RFC 4226, section 7.3. Kept in memory.
 */
export class WrongCodes {
  readonly #tried = new Map<string, { readonly count: number; readonly untilMs: number }>();

  mayTry(deviceId: string, now: Date): boolean {
    return now.getTime() >= (this.#tried.get(deviceId)?.untilMs ?? 0);
  }
  wrong(deviceId: string, now: Date): void {
    const count = (this.#tried.get(deviceId)?.count ?? 0) + 1;
    const waitMs = count < free ? 0 : Math.min(longestMs, shortestMs * 2 ** (count - free));
    this.#tried.set(deviceId, { count, untilMs: now.getTime() + waitMs });
  }
  right(deviceId: string): void {
    this.#tried.delete(deviceId);
  }
}
