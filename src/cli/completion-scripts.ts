import type { CommandTable } from "./command.ts";

/** One word of `croft …`, or of a word of it: `path` is what stands before, "" or "image". */
export interface CompletionWord {
  readonly path: string;
  readonly word: string;
  readonly summary: string;
  /** With their dashes. */
  readonly options: readonly { readonly name: string; readonly takesValue: boolean }[];
  readonly takesInstance: boolean;
}

/** All words of the table, with those of its words, as their commands declare them. */
export const completionWords = async (table: CommandTable, path = ""): Promise<CompletionWord[]> => {
  const found = Object.entries(table).map(async ([word, [summary, load]]) => {
    const { command } = await load();
    const options = Object.entries(command.options ?? {}).map(([name, { type }]) => ({
      name: `--${name}`,
      takesValue: type === "string",
    }));
    const takesInstance = /\bINSTANCE\b/.test(command.usage.split("\n", 1)[0] ?? "");
    const own: CompletionWord = { path, word, summary, options, takesInstance };
    return [own, ...(command.words ? await completionWords(command.words, word) : [])];
  });
  return (await Promise.all(found)).flat();
};

/** A value is completed as bash does where nothing is known: by files. */
export const bashScript = (words: readonly CompletionWord[]): string => `_croft() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local second= words= values= instances= place= at
  COMPREPLY=()
  if ((COMP_CWORD > 2)); then second=\${COMP_WORDS[2]}; fi
  if ((COMP_CWORD == 1)); then
    words='${wordsBelow(words, "")}'
  else
    case "\${COMP_WORDS[1]} $second" in
${words.toSorted(nestedFirst).map(bashCase(words)).join("\n")}
    esac
  fi
  case " $values " in *" $previous "*) return ;; esac
  if [ -n "$instances" ] && [ "\${current#-}" = "$current" ]; then
    for ((at = 2; at < COMP_CWORD; at++)); do
      if [ "\${COMP_WORDS[at]}" = --data-dir ]; then place="--data-dir \${COMP_WORDS[at+1]}"; fi
    done
    words="$words $("\${COMP_WORDS[0]}" completion instances $place 2>/dev/null)"
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _croft croft
`;

export const zshScript = (words: readonly CompletionWord[]): string =>
  `autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(words)}`;

export const fishScript = (words: readonly CompletionWord[]): string =>
  words
    .flatMap(({ path, word, summary, options, takesInstance }) => {
      const siblings = wordsBelow(words, path);
      const first =
        path === ""
          ? "__fish_use_subcommand"
          : `__fish_seen_subcommand_from ${path}; and not __fish_seen_subcommand_from ${siblings}`;
      const seen =
        path === ""
          ? `__fish_seen_subcommand_from ${word}`
          : `__fish_seen_subcommand_from ${path}; and __fish_seen_subcommand_from ${word}`;
      return [
        `complete -c croft -n '${first}' -f -a ${word} -d '${quoted(summary)}'`,
        ...options.map(
          ({ name, takesValue }) =>
            `complete -c croft -n '${seen}' -l ${name.slice(2)}${takesValue ? " -r" : ""}`,
        ),
        ...(takesInstance
          ? [`complete -c croft -n '${seen}' -f -a '(croft completion instances 2>/dev/null)'`]
          : []),
      ];
    })
    .map((line) => `${line}\n`)
    .join("");

const wordsBelow = (words: readonly CompletionWord[], path: string): string =>
  words
    .filter((it) => it.path === path)
    .map(({ word }) => word)
    .join(" ");

const nestedFirst = (a: CompletionWord, b: CompletionWord): number =>
  Number(a.path === "") - Number(b.path === "");

const bashCase =
  (words: readonly CompletionWord[]) =>
  ({ path, word, options, takesInstance }: CompletionWord): string => {
    const pattern = path === "" ? `"${word} "*` : `"${path} ${word}"`;
    const values = options.filter(({ takesValue }) => takesValue).map(({ name }) => name);
    const below = path === "" ? wordsBelow(words, word) : "";
    const offered = [...(below === "" ? [] : [below]), ...options.map(({ name }) => name)].join(" ");
    return `      ${pattern}) words='${offered}' values='${values.join(" ")}'${takesInstance ? " instances=yes" : ""} ;;`;
  };

const quoted = (text: string): string => text.replaceAll(/['\\]/g, "\\$&");
