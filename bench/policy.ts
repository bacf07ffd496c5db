import { runSimulation } from "@cloud-copilot/iam-simulate";
import { decide } from "#policy/decide.ts";
import { parsePolicy } from "#policy/policy-document.ts";
import { comparePairs, median, round } from "./pairs.ts";

/**
 * One decision by ten policies of twenty statements, of which the last allows it, against iam-simulate, which reads the policies
 * anew each time. Promises: half of all decisions take at most 60 µs.
 */
const statement = (n: number) => ({
  Effect: n % 5 === 0 ? "Deny" : "Allow",
  Action: [`ec2:Describe${n}*`, "s3:Get*", `iam:*${n}`],
  Resource: [`arn:aws:s3:::box-${n}/\${aws:username}/*`, `arn:aws:ec2:*:*:instance/*${n}`],
  Condition: {
    IpAddress: { "aws:SourceIp": ["198.51.100.0/24", "203.0.113.0/24"] },
    StringLike: { "aws:username": ["a*", `user-${n}`] },
  },
});
const policies = Array.from({ length: 10 }, (_, policy) => ({
  Version: "2012-10-17",
  Statement: Array.from({ length: 20 }, (_it, n) => statement(policy * 20 + n + 1)),
}));
const last = { Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::mine/*" };
policies[9]?.Statement.splice(19, 1, last as never);

const [account, resource] = ["111122223333", "arn:aws:s3:::mine/ada/1"];
const principal = `arn:aws:iam::${account}:user/ada`;
const context = { "aws:username": "ada", "aws:SourceIp": "198.51.100.7" };

const identity = policies.map((it) => parsePolicy(JSON.stringify(it), "identity"));
const request = {
  principal,
  action: "s3:GetObject",
  resource,
  context: new Map(Object.entries(context).map(([key, value]) => [key.toLowerCase(), [value]])),
};
const simulation = {
  request: {
    principal,
    action: "s3:GetObject",
    resource: { resource, accountId: account },
    contextVariables: context,
  },
  identityPolicies: policies.map((policy, n) => ({ name: `p${n}`, policy })),
  serviceControlPolicies: [],
  resourceControlPolicies: [],
};

/** The median of some decisions, in µs. */
async function microseconds(times: number, decision: () => unknown): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < times; n++) {
    const start = performance.now();
    await decision();
    took.push((performance.now() - start) * 1000);
  }
  return median(took);
}

if (decide(request, { identity }).decision !== "allowed") throw new Error("it should be allowed");
const { ours } = await comparePairs(
  "a decision by 10 policies of 20 statements",
  "µs",
  {
    ours: () => microseconds(1000, () => decide(request, { identity })),
    bare: () => microseconds(3, () => runSimulation(simulation, {})),
  },
  11,
  "iam-simulate",
);
console.log(`half of all decisions take at most ${round(ours)} µs; 60 are promised`);
