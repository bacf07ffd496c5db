/** One life of a program, which ends at a chosen point. From then on nothing it calls is done. */
export class Life {
  /** Where it ended; undefined while it lasts. */
  ended: string | undefined;
  readonly #endAt: number;
  #points = 0;
  readonly #calls = new Map<string, number>();
  readonly #underWay = new Set<Promise<unknown>>();

  /** `endAt`: at which of its points, counted from 0. */
  constructor(endAt: number) {
    this.#endAt = endAt;
  }

  /** Calls with a point before and, when something is waited for, one after. */
  call<Answer>(name: string, act: () => Answer): Answer {
    const nth = (this.#calls.get(name) ?? 0) + 1;
    this.#calls.set(name, nth);
    this.#point(`before call ${nth} of ${name}`);
    const answer = act();
    if (!(answer instanceof Promise)) return answer;
    this.#underWay.add(answer);
    const after = answer.finally(() => {
      this.#underWay.delete(answer);
      this.#point(`after call ${nth} of ${name}`);
    });
    // the promise it was, a little later
    return after as Answer;
  }

  /** The same object, and the objects in it, with every method called by `call`. */
  hands<T extends object>(target: T, name = ""): T {
    return new Proxy(target, {
      get: (object, key) => {
        const value: unknown = Reflect.get(object, key);
        const path = name === "" ? String(key) : `${name}.${String(key)}`;
        if (typeof value === "function")
          return (...args: unknown[]) => this.call(path, () => Reflect.apply(value, object, args));
        return typeof value === "object" && value !== null ? this.hands(value, path) : value;
      },
    });
  }

  /** Resolves when what was under way at the end is done: a kernel finishes what it was asked. */
  async quiet(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  #point(where: string): void {
    if (this.ended === undefined && this.#points++ === this.#endAt) this.ended = where;
    if (this.ended !== undefined) throw new Error(`crashed ${this.ended}`);
  }
}
