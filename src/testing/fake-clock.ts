import type { Clock } from "#clock.ts";

/** A clock that stands still until told. */
export class FakeClock implements Clock {
  #ms = 0;
  #sleptMs = 0;
  #timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  readonly #start: number;

  constructor(start = "2026-01-01T00:00:00Z") {
    this.#start = Date.parse(start);
  }

  now(): Date {
    return new Date(this.#start + this.#sleptMs + this.#ms);
  }

  monotonicMs(): number {
    return this.#ms;
  }

  setTimeout(callback: () => void, ms: number): () => void {
    const timer = { at: this.#ms + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets `ms` pass, timer by timer; what each sets going gets a turn of the event loop before the next, and at the end. */
  async advance(ms: number): Promise<void> {
    const end = this.#ms + ms;
    for (let next = this.#nextTimer(end); next; next = this.#nextTimer(end)) {
      this.#ms = Math.max(this.#ms, next.at);
      this.#timers.delete(next);
      next.callback();
      await turn();
    }
    this.#ms = end;
    await turn();
  }

  /** The host sleeps: the wall clock goes on, nothing else does. */
  sleep(ms: number): void {
    this.#sleptMs += ms;
  }

  #nextTimer(until: number) {
    const due = [...this.#timers].filter(({ at }) => at <= until);
    return due.toSorted((a, b) => a.at - b.at)[0];
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
