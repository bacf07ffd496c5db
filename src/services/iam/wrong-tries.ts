const free = 5;
const shortestMs = 30_000;
const longestMs = 3_600_000;

/**
 * How many wrong codes were tried for each MFA device, and passwords for each user, so that nobody finds the right one by trying: after the
 * fifth in a row none is taken for half a minute, after each further one for twice as long, up to an hour. RFC 4226, section 7.3. Kept in memory.
 */
export class WrongTries {
  readonly #tried = new Map<string, { readonly count: number; readonly untilMs: number }>();

  mayTry(id: string, now: Date): boolean {
    return now.getTime() >= (this.#tried.get(id)?.untilMs ?? 0);
  }
  wrong(id: string, now: Date): void {
    const count = (this.#tried.get(id)?.count ?? 0) + 1;
    const waitMs = count < free ? 0 : Math.min(longestMs, shortestMs * 2 ** (count - free));
    this.#tried.set(id, { count, untilMs: now.getTime() + waitMs });
  }
  right(id: string): void {
    this.#tried.delete(id);
  }
}
