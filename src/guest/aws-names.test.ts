import assert from "node:assert/strict";
import { test } from "node:test";
import { awsName } from "./aws-names.ts";

const meaning = (name: string, realAws = false) => awsName(name, { realAws })?.is;

test("every name of an AWS service is the region's API, served or not", () => {
  for (const name of [
    "ec2.us-east-1.amazonaws.com",
    "sts.amazonaws.com",
    "servicequotas.eu-west-1.amazonaws.com",
    "ec2.eu-west-1.api.aws",
    "bucket.s3.us-east-1.amazonaws.com",
    "api.ecr.us-east-1.amazonaws.com",
    "amazonaws.com",
    "ec2.cn-north-1.amazonaws.com.cn",
  ])
    assert.equal(meaning(name), "api", name);
});

test("where the real AWS is let in, the region keeps what it serves", () => {
  for (const name of ["sts.amazonaws.com", "ec2-fips.us-east-1.amazonaws.com", "ssm.eu-west-1.api.aws"])
    assert.equal(meaning(name, true), "api", name);
  for (const name of ["s3.amazonaws.com", "bucket.s3.us-east-1.amazonaws.com", "ec2.bucket.s3.amazonaws.com"])
    assert.equal(meaning(name, true), undefined, name);
});

test("names of others are not AWS's, however they look", () => {
  for (const name of ["example.com", "notamazonaws.com", "ec2.amazonaws.com.example.com", "aws", ""])
    assert.equal(meaning(name), undefined, name);
});

test("an instance's public name is its public address", () => {
  for (const name of [
    "ec2-198-18-0-5.compute-1.amazonaws.com",
    "ec2-198-18-0-5.eu-west-1.compute.amazonaws.com",
  ])
    assert.deepEqual(awsName(name, { realAws: false }), { is: "instance", address: "198.18.0.5" });
  assert.equal(meaning("compute-1.amazonaws.com"), "nothing");
  assert.equal(meaning("ec2-1-2-3.compute-1.amazonaws.com", true), "nothing");
});
