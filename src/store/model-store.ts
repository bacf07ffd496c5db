import { type Changes, type Entry, type Expectation, ExpectationFailed, type Transaction } from "./store.ts";

/** The plainest store there can be: what the real ones are compared with. */
export class ModelStore {
  revision = 0;
  readonly changes: Changes[] = [];
  readonly #entries = new Map<string, Entry>();

  commit({
    expect = [],
    put = [],
    delete: gone = [],
  }: Transaction): { revision: number } | ExpectationFailed {
    const failed = expect.find((expectation) => !this.#holds(expectation));
    if (failed) return new ExpectationFailed(failed, this.revision);
    const revision = ++this.revision;
    const deleted = gone.filter((key) => this.#entries.delete(key));
    const entries = put.map(({ key, value }) => ({ key, value, revision }));
    for (const entry of entries) this.#entries.set(entry.key, entry);
    this.changes.push({ revision, put: entries, deleted });
    return { revision };
  }

  list(prefix: string): Entry[] {
    const under = [...this.#entries.values()].filter(({ key }) => key.startsWith(prefix));
    return under.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  #holds(expectation: Expectation): boolean {
    if ("exists" in expectation) return this.#entries.has(expectation.exists);
    if ("absent" in expectation) return !this.#entries.has(expectation.absent);
    if ("at" in expectation) return this.#entries.get(expectation.at[0])?.revision === expectation.at[1];
    if ("fewer" in expectation) return this.list(expectation.fewer[0]).length < expectation.fewer[1];
    return this.list(expectation.empty).length === 0;
  }
}

/** Over so few keys that transactions meet often, and with expectations that hold about half the time. */
export function randomTransaction(random: (below: number) => number, revision: number): Transaction {
  const key = () => `${"abc"[random(3)]}/${random(12)}`;
  const written = [...new Set(Array.from({ length: random(5) }, key))];
  const puts = random(written.length + 1);
  const expectations: (() => Expectation)[] = [
    () => ({ exists: key() }),
    () => ({ absent: key() }),
    () => ({ at: [key(), Math.max(0, revision - random(10))] }),
    () => ({ empty: key() }),
    () => ({ fewer: [`${"abc"[random(3)]}/`, random(8)] }),
  ];
  return {
    expect: Array.from({ length: random(3) }, () => expectations[random(expectations.length)]!()),
    put: written.slice(0, puts).map((name) => ({ key: name, value: { n: random(1000) } })),
    delete: written.slice(puts),
  };
}
