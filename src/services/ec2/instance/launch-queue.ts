/**
 * How many guests may start at once on this host: a starting guest takes a whole processor, and more of them than processors
 * make every one slower. First come, first served.
 */
export class LaunchQueue {
  readonly #slots: number;
  readonly #changed: () => void;
  readonly #starting = new Set<string>();
  readonly #waiting = new Set<string>();

  constructor(slots: number, changed: () => void) {
    this.#slots = slots;
    this.#changed = changed;
  }

  /** True once it is this one's turn; asking again keeps the place. */
  enter(id: string): boolean {
    if (this.#starting.has(id)) return true;
    const first = this.#waiting.values().next().value;
    if (this.#starting.size < this.#slots && (first === undefined || first === id)) {
      this.#waiting.delete(id);
      this.#starting.add(id);
      this.#changed();
      return true;
    }
    if (!this.#waiting.has(id)) {
      this.#waiting.add(id);
      this.#changed();
    }
    return false;
  }

  /** Gives the place back: it has started, or does not want to any more. */
  leave(id: string): void {
    const left = [this.#starting.delete(id), this.#waiting.delete(id)];
    if (left.includes(true)) this.#changed();
  }

  get launches(): { starting: string[]; waiting: string[] } {
    return { starting: [...this.#starting], waiting: [...this.#waiting] };
  }
}
