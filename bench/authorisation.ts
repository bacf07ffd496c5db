import type { Credentials } from "#auth/sign-request.ts";
import { ownRegion, signed } from "./own-region.ts";
import { comparePairs, median, round } from "./pairs.ts";

/**
 * A small Describe, signed, through the whole chain in this process: by a user with ten policies of twenty statements, of which the last
 * allows it, against one by the account's root, for whom no policy is asked. Promises: half of all decisions take at most 60 µs.
 */
const statement = (n: number) => ({
  Effect: n % 5 === 0 ? "Deny" : "Allow",
  Action: [`s3:Get*${n}`, `iam:*${n}`],
  Resource: [`arn:aws:s3:::box-${n}/*`],
  Condition: { IpAddress: { "aws:SourceIp": ["198.51.100.0/24"] } },
});
const allowing = { Effect: "Allow", Action: "ec2:DescribeRegions", Resource: "*" };
const policies = Array.from({ length: 10 }, (_, policy) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      ...Array.from({ length: 19 }, (_it, n) => statement(policy * 20 + n)),
      policy === 9 ? allowing : statement(policy * 20 + 19),
    ],
  }),
);

const { root, answer, call, end } = await ownRegion();

await call(root, "iam", { Action: "CreateUser", Version: "2010-05-08", UserName: "ada" });
for (const [n, PolicyDocument] of policies.entries()) {
  const made = { Action: "CreatePolicy", Version: "2010-05-08", PolicyName: `p${n}`, PolicyDocument };
  const [, PolicyArn = ""] = /<Arn>([^<]+)/.exec(await call(root, "iam", made)) ?? [];
  await call(root, "iam", {
    Action: "AttachUserPolicy",
    Version: "2010-05-08",
    UserName: "ada",
    PolicyArn,
  });
}
const key = await call(root, "iam", { Action: "CreateAccessKey", Version: "2010-05-08", UserName: "ada" });
const ada: Credentials = {
  accessKeyId: /<AccessKeyId>([^<]+)/.exec(key)?.[1] ?? "",
  secretAccessKey: /<SecretAccessKey>([^<]+)/.exec(key)?.[1] ?? "",
};

const describe = { Action: "DescribeRegions", Version: "2016-11-15", "RegionName.1": "us-east-1" };
const { ours, bare } = await comparePairs(
  "a small Describe by a user with 10 policies of 20 statements",
  "µs",
  { ours: () => microseconds(ada), bare: () => microseconds(root) },
  11,
  "by the root",
);
console.log(`what policy adds to half of all calls: ${round(ours - bare)} µs; 60 are promised`);
end();

async function microseconds(who: Credentials): Promise<number> {
  const request = signed(who, "ec2", describe);
  const took: number[] = [];
  for (let n = 0; n < 1000; n++) {
    const start = performance.now();
    await answer(request);
    took.push((performance.now() - start) * 1000);
  }
  return median(took);
}
