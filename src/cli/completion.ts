import { apiEndpoint } from "#setup/api-endpoint.ts";
import { requireSettings } from "#setup/region-settings.ts";
import type { RegionActivity } from "#services/host/region-activity.ts";
import { Refusal, onlyArgument, readOptions, type Command } from "./command.ts";
import { commands } from "./commands.ts";
import { bashScript, completionWords, fishScript, zshScript } from "./completion-scripts.ts";
import { dataDirOption, dataDirUsage, readDataDir } from "./data-dir.ts";
import { answerOf } from "./supervise/health.ts";

const scripts: Readonly<Record<string, typeof bashScript>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export const command: Command = {
  usage: `completion bash|zsh|fish|instances [options]

Prints what completes croft's words, options and instances in a shell. In ~/.bashrc or ~/.zshrc:

  eval "$(croft completion bash)"      (or zsh)

In fish: croft completion fish > ~/.config/fish/completions/croft.fish
"instances" prints the ids that the others complete.

${dataDirUsage}`,
  options: dataDirOption,
  async run(args) {
    const { values, positionals } = readOptions(args, dataDirOption, { positionals: true });
    const asked = onlyArgument(positionals, "for which shell? croft completion bash, zsh or fish");
    if (asked === "instances") {
      process.stdout.write(await instanceLines(readDataDir(values["data-dir"])));
      return 0;
    }
    const script = scripts[asked];
    if (!script) throw new Refusal(`for which shell? croft completion ${Object.keys(scripts).join(" or ")}`);
    process.stdout.write(script(await completionWords(commands)));
    return 0;
  },
};

const instanceLines = async (dataDir: string): Promise<string> => {
  const { localUrl } = apiEndpoint(dataDir, requireSettings(dataDir));
  const activity = await answerOf<RegionActivity>(localUrl, "status");
  return (activity?.machines ?? []).map(({ id }) => `${id}\n`).join("");
};
