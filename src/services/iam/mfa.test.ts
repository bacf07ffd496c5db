import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { inflateSync } from "node:zlib";
import { IAM } from "@aws-sdk/client-iam";
import { STS, type Credentials } from "@aws-sdk/client-sts";
import { authenticator } from "#testing/authenticator.ts";
import { iamScene } from "#testing/iam.ts";

const limit = { timeout: 30_000 };
const account = "111122223333";
const user = { UserName: "ada" };
const allowing = (Action: string | string[], more: object = {}) =>
  JSON.stringify({ Version: "2012-10-17", Statement: { Effect: "Allow", Action, Resource: "*", ...more } });
const withMfa = { Condition: { Bool: { "aws:MultiFactorAuthPresent": "true" } } };

/** A user "ada" and her device, with the app that tells its codes. */
async function scene(t: TestContext) {
  const { iam, refused, clientConfig } = await iamScene(t);
  await iam.createUser(user);
  const { VirtualMFADevice: made } = await iam.createVirtualMFADevice({ VirtualMFADeviceName: "phone" });
  const { AccessKey: key } = await iam.createAccessKey(user);
  const as = (given: Partial<Credentials> | undefined) => {
    const credentials = {
      accessKeyId: given?.AccessKeyId ?? "",
      secretAccessKey: given?.SecretAccessKey ?? "",
      ...(given?.SessionToken !== undefined && { sessionToken: given.SessionToken }),
    };
    const clients = {
      iam: new IAM({ ...clientConfig, credentials }),
      sts: new STS({ ...clientConfig, credentials }),
    };
    t.after(() => Object.values(clients).forEach((it) => it.destroy()));
    return clients;
  };
  const SerialNumber = made?.SerialNumber ?? "";
  const app = authenticator(made?.Base32StringSeed);
  const allow = (PolicyDocument: string) => iam.putUserPolicy({ ...user, PolicyName: "p", PolicyDocument });
  return { iam, refused, made, SerialNumber, app, as, ada: as(key), allow };
}

test("a device is made with a seed and its QR code, and told without them from then on", limit, async (t) => {
  const { iam, refused, made, SerialNumber } = await scene(t);
  assert.equal(SerialNumber, `arn:aws:iam::${account}:mfa/phone`);
  assert.match(Buffer.from(made?.Base32StringSeed ?? []).toString(), /^[A-Z2-7]{64}$/);
  const png = Buffer.from(made?.QRCodePNG ?? []);
  assert.equal(png.toString("latin1", 1, 4), "PNG");
  const data = png.indexOf("IDAT");
  assert.ok(inflateSync(png.subarray(data + 4, data + 4 + png.readUInt32BE(data - 4))).length > 1000);
  const again = { VirtualMFADeviceName: "Phone" };
  await refused(iam.createVirtualMFADevice(again), "EntityAlreadyExistsException", /same path and name/);
  await refused(iam.createVirtualMFADevice({ VirtualMFADeviceName: "a b" }), "ValidationError");
  await iam.createVirtualMFADevice({ ...again, Path: "/work/", Tags: [{ Key: "team", Value: "x" }] });
  const { VirtualMFADevices = [] } = await iam.listVirtualMFADevices({});
  assert.deepEqual(VirtualMFADevices, [
    { SerialNumber },
    { SerialNumber: `arn:aws:iam::${account}:mfa/work/Phone` },
  ]);
  const other = { SerialNumber: `arn:aws:iam::${account}:mfa/work/Phone` };
  await iam.tagMFADevice({ ...other, Tags: [{ Key: "b", Value: "1" }] });
  await iam.untagMFADevice({ ...other, TagKeys: ["team"] });
  assert.deepEqual((await iam.listMFADeviceTags(other)).Tags, [{ Key: "b", Value: "1" }]);
  await iam.deleteVirtualMFADevice(other);
  await refused(iam.deleteVirtualMFADevice(other), "NoSuchEntityException", /doesn't exist/);
});

test(
  "two codes that follow one another give a user the device, and then neither of them can be deleted",
  limit,
  async (t) => {
    const { iam, refused, SerialNumber, app } = await scene(t);
    const device = { ...user, SerialNumber };
    const codes = (first: number, second = first + 1) => ({
      AuthenticationCode1: app(first),
      AuthenticationCode2: app(second),
    });
    const invalid = (call: Promise<unknown>) =>
      refused(call, "InvalidAuthenticationCodeException", /Authentication code for device is not valid/);
    await invalid(iam.enableMFADevice({ ...device, ...codes(-5, -3) }));
    await invalid(iam.enableMFADevice({ ...device, ...codes(-100) }));
    await refused(
      iam.resyncMFADevice({ ...device, ...codes(-5) }),
      "NoSuchEntityException",
      /invalid for user/,
    );
    await iam.enableMFADevice({ ...device, ...codes(-5) });
    await refused(iam.enableMFADevice({ ...device, ...codes(-3) }), "EntityAlreadyExistsException");
    const { MFADevices: [listed] = [] } = await iam.listMFADevices(user);
    assert.deepEqual([listed?.UserName, listed?.SerialNumber], ["ada", SerialNumber]);
    assert.equal((await iam.getMFADevice(device)).EnableDate?.getTime(), listed?.EnableDate?.getTime());
    const { VirtualMFADevices = [] } = await iam.listVirtualMFADevices({ AssignmentStatus: "Assigned" });
    assert.equal(VirtualMFADevices[0]?.User?.UserName, "ada");
    assert.deepEqual(
      (await iam.listVirtualMFADevices({ AssignmentStatus: "Unassigned" })).VirtualMFADevices,
      [],
    );
    const { SummaryMap } = await iam.getAccountSummary({});
    assert.deepEqual([SummaryMap?.["MFADevices"], SummaryMap?.["MFADevicesInUse"]], [1, 1]);
    await refused(iam.deleteUser(user), "DeleteConflictException");
    await refused(
      iam.deleteVirtualMFADevice({ SerialNumber }),
      "DeleteConflictException",
      /deactivate first/,
    );
    // Not again by codes that were used, also not after it was taken away.
    await invalid(iam.resyncMFADevice({ ...device, ...codes(-5) }));
    await iam.resyncMFADevice({ ...device, ...codes(15) });
    await iam.deactivateMFADevice(device);
    await invalid(iam.enableMFADevice({ ...device, ...codes(14) }));
    await refused(iam.deactivateMFADevice(device), "NoSuchEntityException");
    await iam.deleteVirtualMFADevice({ SerialNumber });
  },
);

test("of many that are enabled at once a user gets eight, and one device is one user's", limit, async (t) => {
  const { iam, SerialNumber, app } = await scene(t);
  const codes = { AuthenticationCode1: app(0), AuthenticationCode2: app(1) };
  await iam.createUser({ UserName: "bob" });
  const enabled = await Promise.allSettled(
    ["ada", "bob"].map((UserName) => iam.enableMFADevice({ UserName, SerialNumber, ...codes })),
  );
  assert.equal(enabled.filter(({ status }) => status === "fulfilled").length, 1);
  const more = await Promise.all(
    Array.from({ length: 10 }, async (_, n) => {
      const { VirtualMFADevice: it } = await iam.createVirtualMFADevice({ VirtualMFADeviceName: `p${n}` });
      return { SerialNumber: it?.SerialNumber, app: authenticator(it?.Base32StringSeed) };
    }),
  );
  await iam.createUser({ UserName: "eve" });
  const given = await Promise.allSettled(
    more.map((it) =>
      iam.enableMFADevice({
        UserName: "eve",
        SerialNumber: it.SerialNumber,
        AuthenticationCode1: it.app(0),
        AuthenticationCode2: it.app(1),
      }),
    ),
  );
  assert.equal(given.filter(({ status }) => status === "fulfilled").length, 8);
});

test(
  "a session with a code passes where policies ask for MFA, and may call IAM; a code is used once",
  limit,
  async (t) => {
    const { iam, SerialNumber, app, as, ada, allow, refused } = await scene(t);
    await allow(allowing("iam:*", withMfa));
    const codes = { AuthenticationCode1: app(-6), AuthenticationCode2: app(-5) };
    await iam.enableMFADevice({ ...user, SerialNumber, ...codes });
    const session = (TokenCode?: string) =>
      ada.sts.getSessionToken({ SerialNumber, ...(TokenCode !== undefined && { TokenCode }) });
    const denied = (call: Promise<unknown>, message = /./) => refused(call, "AccessDenied", message);
    await denied(session(), /must provide both/);
    await denied(session(app(-5)), /with invalid MFA one time pass code/);
    await denied(
      ada.sts.getSessionToken({ SerialNumber: `${SerialNumber}2`, TokenCode: app(-4) }),
      /verify your MFA serial number/,
    );
    // Absent, and so not false, for a key that does not end.
    await denied(ada.iam.listUsers({}));
    const both = await Promise.allSettled([session(app(-4)), session(app(-4))]);
    const [got, ...more] = both.flatMap((it) => (it.status === "fulfilled" ? [it.value] : []));
    assert.deepEqual(more, []);
    const own = as(got?.Credentials);
    assert.equal((await own.iam.listUsers({})).Users?.length, 1);
    await denied(own.sts.getSessionToken({}));
    await denied(as((await ada.sts.getSessionToken({})).Credentials).iam.listUsers({}));
    await allow(
      allowing("iam:*", { Condition: { NumericGreaterThan: { "aws:MultiFactorAuthAge": "600" } } }),
    );
    await denied(own.iam.listUsers({}));
    await allow(allowing("iam:*", { Condition: { NumericLessThan: { "aws:MultiFactorAuthAge": "600" } } }));
    await own.iam.listUsers({});
    await denied(ada.iam.listUsers({}));
    await allow(allowing("iam:*", { Condition: { Null: { "aws:MultiFactorAuthPresent": "true" } } }));
    await ada.iam.listUsers({});
  },
);

test(
  "a role that asks for MFA is assumed with a code, of which its session knows nothing",
  limit,
  async (t) => {
    const { iam, SerialNumber, app, as, ada, refused } = await scene(t);
    const codes = { AuthenticationCode1: app(-6), AuthenticationCode2: app(-5) };
    await iam.enableMFADevice({ ...user, SerialNumber, ...codes });
    const trust = (more: object) =>
      JSON.stringify({
        Version: "2012-10-17",
        Statement: {
          Effect: "Allow",
          Principal: { AWS: `arn:aws:iam::${account}:user/ada` },
          Action: "sts:AssumeRole",
          ...more,
        },
      });
    await iam.createRole({ RoleName: "careful", AssumeRolePolicyDocument: trust(withMfa) });
    await iam.putRolePolicy({
      RoleName: "careful",
      PolicyName: "p",
      PolicyDocument: allowing("iam:ListUsers", withMfa),
    });
    const me = { RoleArn: `arn:aws:iam::${account}:role/careful`, RoleSessionName: "me" };
    await refused(ada.sts.assumeRole(me), "AccessDenied", /is not authorized to perform: sts:AssumeRole/);
    await refused(
      ada.sts.assumeRole({ ...me, SerialNumber, TokenCode: app(-5) }),
      "AccessDenied",
      /with invalid MFA/,
    );
    const { Credentials: given } = await ada.sts.assumeRole({ ...me, SerialNumber, TokenCode: app(-4) });
    await refused(as(given).iam.listUsers({}), "AccessDenied");
    const session = as((await ada.sts.getSessionToken({ SerialNumber, TokenCode: app(-3) })).Credentials);
    await session.sts.assumeRole(me);
    // Who is not trusted at all is told no more, whatever the code.
    await iam.updateAssumeRolePolicy({
      RoleName: "careful",
      PolicyDocument: trust({ ...withMfa, Effect: "Deny" }),
    });
    await refused(
      ada.sts.assumeRole({ ...me, SerialNumber, TokenCode: app(-5) }),
      "AccessDenied",
      /is not authorized/,
    );
  },
);

test(
  "nobody finds a code by trying: after five wrong ones the right one is refused too",
  limit,
  async (t) => {
    const { iam, SerialNumber, app, ada, refused } = await scene(t);
    const codes = { AuthenticationCode1: app(-6), AuthenticationCode2: app(-5) };
    await iam.enableMFADevice({ ...user, SerialNumber, ...codes });
    for (const TokenCode of [...Array(5).keys()].map(() => app(-5)))
      await refused(ada.sts.getSessionToken({ SerialNumber, TokenCode }), "AccessDenied");
    await refused(
      ada.sts.getSessionToken({ SerialNumber, TokenCode: app(-4) }),
      "AccessDenied",
      /invalid MFA/,
    );
  },
);
