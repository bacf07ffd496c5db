import { Refusal } from "./command.ts";
import type { Command } from "./command.ts";
import { become, findCommand } from "./become.ts";
import { dataDirOption, dataDirUsage, takeDataDir } from "./data-dir.ts";
import { regionEnvironment } from "./region-environment.ts";

export const command: Command = {
  usage: `aws [--data-dir DIR] SERVICE OPERATION …

Runs the aws CLI found on the PATH, any version, against the region.

${dataDirUsage}`,
  options: dataDirOption,
  async run(args) {
    const { dataDir, rest } = takeDataDir(args);
    const aws = findCommand("aws");
    if (!aws) throw new Refusal("there is no aws CLI on the PATH: apt install -y awscli");
    const variables = regionEnvironment(dataDir);
    // Left set, these would put another account's identity in front of the region's.
    const { AWS_PROFILE: _profile, AWS_SESSION_TOKEN: _token, ...kept } = process.env;
    return become(aws, ["--endpoint-url", variables["AWS_ENDPOINT_URL"] ?? "", ...rest], {
      ...kept,
      ...variables,
    });
  },
};
