import { defaults } from "#config.ts";
import { interruption, type Command } from "./command.ts";
import { cacheDirUsage, dataDirUsage } from "./data-dir.ts";
import { readStartOptions, startOptions } from "./start-options.ts";

export const command: Command = {
  usage: `start [options]

Sets up what is missing on this machine, then runs the region until it is told to stop (^C, SIGTERM, croft down).
Instances run on when it stops, and are taken up again by the next start.

  --yes              install missing Debian packages without asking
  --port PORT        the API's port (${defaults.port})
  --listen ADDRESS   the API's address (127.0.0.1); on any but loopback it speaks TLS, with a certificate by the region's
                     own authority, which croft env makes clients trust, or with this one:
  --tls-cert FILE --tls-key FILE
  --outbound on|off  whether instances with a public address reach the internet through this host (on)
  --outbound-to NET  let them reach this private network as well, such as 192.168.1.0/24; may be repeated (none)
  --real-aws on|off  let AWS's names lead instances to the real AWS for what this region does not serve (off)
  --throttle on|off  whether EC2's calls are limited as AWS does (off)
  --image-alias IDS=IMAGE
                     let ids that templates hold stand for an image, such as 'ami-*=debian-12'; may be repeated
  --keep-memory MIB  what this host keeps for itself (${defaults.capacity.keptMemoryMiB}); the rest is promised to instances,
  --overcommit-memory FACTOR
                     this many times over (${defaults.capacity.memoryOvercommit}). Processors are shared by all
  --keep-disk MIB    launch nothing while the data directory's disk has less room than this (${defaults.keptDiskMiB})
  --master-key-file FILE
                     seal secrets with this key (64 hex digits), not with one made in the data directory
${dataDirUsage}
${cacheDirUsage}
for a new region:
  --account-id ID    twelve digits (${defaults.accountId})
  --region NAME      (${defaults.region})
  --public-pool NET  public addresses, routed on this host only (${defaults.publicPools[0]}, or the next that is free)
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
