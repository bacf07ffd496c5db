import { type Clock, systemClock } from "#clock.ts";

/** The calls whose answers somebody waits for, so that other work can let them pass. */
export class CallsUnderWay {
  readonly #clock: Clock;
  #count = 0;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  async add<Answer>(call: Promise<Answer>): Promise<Answer> {
    this.#count++;
    try {
      return await call;
    } finally {
      if (--this.#count === 0) for (const goOn of this.#waiting) goOn();
    }
  }

  /** Resolves when no call is under way, and after `ms` at the latest. */
  async letPass(ms: number): Promise<void> {
    if (this.#count === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const cancel = this.#clock.setTimeout(resolve, ms);
    await promise;
    cancel();
    this.#waiting.delete(resolve);
  }
}
