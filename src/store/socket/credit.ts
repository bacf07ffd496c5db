/** How many changes the other side has asked for and not yet been sent. */
export class Credit {
  #left: number;
  #added = Promise.withResolvers<void>();
  readonly #ending = new AbortController();

  constructor(left: number) {
    this.#left = left;
  }

  /** Aborts when the other side wants no more. */
  get ended(): AbortSignal {
    return this.#ending.signal;
  }

  add(more: number): void {
    this.#left += more;
    this.#added.resolve();
    this.#added = Promise.withResolvers();
  }

  /** Resolves when one more may be sent, or the end has come. */
  async take(): Promise<void> {
    while (this.#left <= 0 && !this.ended.aborted) await this.#added.promise;
    this.#left -= 1;
  }

  end(): void {
    this.#ending.abort();
    this.add(0);
  }
}
