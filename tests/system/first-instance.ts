import { signedCall, exported } from "../signed-call.ts";
import { until } from "../until.ts";
import type { Container } from "./container.ts";

/** EC2 of the default region in a container, called by curl there. */
export interface ContainedRegion {
  /** The answer to `fields`: "Action=…" and so on. */
  readonly call: (...fields: readonly string[]) => Promise<string>;
  /** Launches an instance of the region's own image, and resolves to its id. */
  readonly launch: () => Promise<string>;
  /** Resolves when its three status checks are well: the guest is up. Rejects after 10 min. */
  readonly untilWell: (instanceId: string) => Promise<void>;
}

/** `croft`: the command. */
export const containedRegion = async (
  { run }: Pick<Container, "run">,
  ...croft: readonly string[]
): Promise<ContainedRegion> => {
  const environment = exported(await run(...croft, "env"));
  const call = (...fields: readonly string[]) => run("curl", ...signedCall(environment, fields));
  return {
    call,
    async launch() {
      const [image = ""] = /ami-\w+/.exec(await call("Action=DescribeImages")) ?? [];
      const wish = ["InstanceType=t3.micro", "MinCount=1", "MaxCount=1", `ImageId=${image}`];
      const answer = await call("Action=RunInstances", ...wish);
      const [instance] = /\bi-\w+/.exec(answer) ?? [];
      if (instance === undefined) throw new Error(answer);
      return instance;
    },
    async untilWell(instanceId) {
      const wellOf = (answer: string) => answer.split("<status>ok</status>").length - 1;
      const answer = await until(
        () => call("Action=DescribeInstanceStatus", `InstanceId.1=${instanceId}`).catch(String),
        (it) => wellOf(it) === 3,
        10 * 60_000,
      );
      if (wellOf(answer) !== 3) throw new Error(answer);
    },
  };
};
