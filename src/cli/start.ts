import { interruption, type Command } from "./command.ts";
import { readStartOptions, regionUsage, startOptions } from "./start-options.ts";

export const command: Command = {
  usage: `start [options] (or croft up)

Sets up what is missing on this machine, then runs the region until it is told to stop (^C, SIGTERM, croft down).
Instances run on when it stops, and are taken up again by the next start.

${regionUsage}
for tests of what calls EC2, on any system and as any user:
  --machines fake    instances go through all their states, but nothing runs; by default kept in ~/.croft-fake
  --ephemeral        keep nothing; POST /_croft/reset then gives a fresh region, and --port 0 any free port
  --access-key ID:SECRET
                     the account's access key, such as test:test`,
  options: startOptions,
  async run(args) {
    const values = readStartOptions(args);
    const ending = interruption();
    // Each loads what it needs only: fakes run where the machines' libraries do not load.
    if (values.machines === "fake") await (await import("./start-fake.ts")).startFake(values, ending);
    else await (await import("./start-machines.ts")).startMachines(values, ending);
    return 0;
  },
};
