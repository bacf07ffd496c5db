/**
 * A text of a policy in which `*` stands for any characters, `?` for any one, and `${key}` or `${key, 'default'}` for a value of the
 * request; `${*}`, `${?}` and `${$}` are the characters themselves. AWS, "IAM policy elements: Variables and tags".
 */
export class Wildcard {
  /** Wildcards are characters that no policy and no request may hold, so that values which hold `*` match only themselves. */
  readonly #pattern: string;
  readonly #isPlain: boolean;
  /** What comes before the first wildcard or variable: most values are told apart by it. */
  readonly #prefix: string;
  readonly #hasVariables: boolean;

  /** `variables`: whether `${…}` means something; in policies of version 2008-10-17 it does not. */
  constructor(text: string, { variables = true, literal = false } = {}) {
    this.#hasVariables = variables && text.includes("${");
    this.#pattern = literal ? harmless(text) : withWildcards(text, this.#hasVariables);
    this.#isPlain = !/[\uE000\uE001]/.test(this.#pattern);
    this.#prefix = /^[^\uE000\uE001$]*/.exec(this.#pattern)?.[0] ?? "";
  }

  /** Whether `value` is what this stands for. A variable that the request does not have makes it stand for nothing. */
  matches(value: string, lookUp: LookUp = nothing): boolean {
    if (!value.startsWith(this.#prefix)) return false;
    const pattern = this.#resolved(lookUp);
    if (pattern === undefined) return false;
    return this.#isPlain ? pattern === value : matchesPattern(pattern, value);
  }

  /** The request's keys that it has variables of, as they are written. */
  get keys(): string[] {
    if (!this.#hasVariables) return [];
    return [...this.#pattern.matchAll(variable)].flatMap(([, key = ""]) =>
      characters.has(key) ? [] : [key],
    );
  }

  /** The text with its variables' values; undefined when the request does not have one of them. */
  text(lookUp: LookUp): string | undefined {
    return this.#resolved(lookUp)?.replace(/[\uE000\uE001]/g, (it) => (it === anyRun ? "*" : "?"));
  }

  #resolved(lookUp: LookUp): string | undefined {
    if (!this.#hasVariables) return this.#pattern;
    let missing = false;
    const text = this.#pattern.replace(variable, (_, key: string, fallback: string | undefined) => {
      const value = characters.has(key) ? key : (lookUp(key) ?? fallback);
      if (value === undefined) missing = true;
      return harmless(value ?? "");
    });
    return missing ? undefined : text;
  }
}

/** The one value of a request's key, whose case does not matter; undefined when it has none, or several. */
export type LookUp = (key: string) => string | undefined;

const nothing: LookUp = () => undefined;
const [anyRun, anyOne] = ["\uE000", "\uE001"];
const variable = /\$\{\s*([^},]+?)\s*(?:,\s*'([^']*)'\s*)?\}/g;
const characters: ReadonlySet<string> = new Set(["*", "?", "$"]);

const harmless = (value: string) => value.replace(/[\uE000\uE001]/g, "\uFFFD");

function withWildcards(text: string, variables: boolean): string {
  const between = (part: string) => part.replaceAll("*", anyRun).replaceAll("?", anyOne);
  if (!variables) return between(harmless(text));
  let [pattern, end] = ["", 0];
  for (const found of harmless(text).matchAll(variable)) {
    pattern += between(text.slice(end, found.index)) + found[0];
    end = found.index + found[0].length;
  }
  return pattern + between(text.slice(end));
}

/** In at most the product of both lengths, whatever the pattern: a run gives back one character at a time, and only the last one. */
function matchesPattern(pattern: string, value: string): boolean {
  let [at, from] = [0, 0];
  let [runAt, runFrom] = [-1, 0];
  while (from < value.length) {
    const wanted = pattern[at];
    if (wanted === anyRun) {
      [runAt, runFrom] = [at++, from];
    } else if (wanted !== undefined && (wanted === anyOne || wanted === value[from])) {
      at++;
      from++;
    } else if (runAt >= 0) {
      at = runAt + 1;
      from = ++runFrom;
    } else return false;
  }
  while (pattern[at] === anyRun) at++;
  return at === pattern.length;
}
