import type { Clock } from "#clock.ts";

/** Looks at a key. Answers in how many ms to look again (0: at once), or undefined to rest until it is added again. */
export type LookAt = (key: string) => Promise<number | undefined>;

/**
 * Looks at keys, oldest first, one at a time per key and some keys at once. A key added while it waits is looked at now; one
 * added while it is being looked at is looked at once more.
 */
export class KeyQueue {
  readonly #lookAt: LookAt;
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #turn: () => Promise<void>;
  readonly #ready = new Set<string>();
  readonly #running = new Set<string>();
  /** How to cancel the next look at keys that wait. */
  readonly #timers = new Map<string, () => void>();
  readonly #closed = Promise.withResolvers<void>();
  #closing = false;

  /** `turn` is waited for before each look. */
  constructor(lookAt: LookAt, clock: Clock, concurrency: number, turn: () => Promise<void>) {
    this.#lookAt = lookAt;
    this.#clock = clock;
    this.#concurrency = concurrency;
    this.#turn = turn;
  }

  add(key: string): void {
    if (this.#closing) return;
    this.#timers.get(key)?.();
    this.#timers.delete(key);
    this.#ready.add(key);
    this.#start();
  }

  /** Begins no more looks; resolves when the last one has ended. */
  close(): Promise<void> {
    this.#closing = true;
    this.#ready.clear();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    if (this.#running.size === 0) this.#closed.resolve();
    return this.#closed.promise;
  }

  #start(): void {
    for (const key of this.#ready) {
      if (this.#running.size >= this.#concurrency) return;
      if (this.#running.has(key)) continue;
      this.#ready.delete(key);
      this.#running.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    await this.#turn(); // and whoever added the key goes on first
    this.#ready.delete(key); // what came while it waited is seen by this look
    const againInMs = this.#closing ? undefined : await this.#lookAt(key);
    this.#running.delete(key);
    if (this.#closing) {
      if (this.#running.size === 0) this.#closed.resolve();
      return;
    }
    if (againInMs === 0) this.#ready.add(key);
    else if (againInMs !== undefined && !this.#ready.has(key))
      this.#timers.set(
        key,
        this.#clock.setTimeout(() => this.add(key), againInMs),
      );
    this.#start();
  }
}
