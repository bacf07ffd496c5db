import type { OperationPlan } from "#api/operation.ts";
import { ApiError } from "#api/error.ts";
import { seal, unseal } from "#sealed.ts";
import type { IamContext } from "./context.ts";
import { deviceNotFound, noSuchEntity } from "./errors.ts";
import { arnOf } from "./holder.ts";
import type { MfaDeviceRecord, UserRecord } from "./records.ts";
import { stepAt, stepOf } from "./totp.ts";

/** Its ARN. */
export const serialOf = (device: MfaDeviceRecord, context: Pick<IamContext, "accountId">): string =>
  arnOf("iam-mfa", device, context);

/** Throws NoSuchEntity. */
export function findDevice(serial: string, context: IamContext): MfaDeviceRecord {
  const device = deviceOf(serial, context);
  if (!device) throw deviceNotFound(serial);
  return device;
}

/** That the user has. Throws NoSuchEntity. */
export function findDeviceOf(user: UserRecord, serial: string, context: IamContext): MfaDeviceRecord {
  const device = deviceOf(serial, context);
  if (device?.assigned?.userId !== user.id) throw noSuchEntity("MFA Device invalid for user.");
  return device;
}

function deviceOf(serial: string, context: IamContext): MfaDeviceRecord | undefined {
  const device = context.records.named("iam-mfa", serial.slice(serial.indexOf(":mfa/") + ":mfa".length));
  return device && serialOf(device, context) === serial ? device : undefined;
}

export const sealedSeed = (id: string, seed: Buffer, sealingKey: Buffer): string =>
  seal(seed.toString("base64"), sealingKey, purpose(id));

const purpose = (id: string) => `seed of MFA device ${id}`;

/** The device as two codes that follow one another show it, up to ten minutes ahead or behind; undefined: they are none of its own. */
export function synchronised(
  device: MfaDeviceRecord,
  codes: readonly [string, string],
  { sealingKey, now }: IamContext,
): MfaDeviceRecord | undefined {
  const step = stepAt(now());
  const from = Math.max(device.lastStep + 1, step - widest);
  const found = stepOf(codes, seedOf(device, sealingKey), from, step + widest);
  return found === undefined ? undefined : taken(device, found + 1, step);
}

const widest = 20;

/** What a request shows by a code: the caller has his MFA device. The code is used up with `transaction`; `refusal`: nothing is shown. */
export interface MfaProof extends Pick<OperationPlan, "transaction" | "refusal"> {
  readonly isGiven: boolean;
}

/** Of the caller's own devices. A code is taken a step of 30 seconds early or late. */
export function mfaProof({ SerialNumber: serial, TokenCode: code }: MfaInput, context: IamContext): MfaProof {
  const { caller, records, wrongTries, sealingKey } = context;
  if (serial === undefined && code === undefined) return { isGiven: false };
  if (serial === undefined || code === undefined)
    return refused("must provide both MFA serial number and one time pass code.");
  const device = deviceOf(serial, context);
  if (!device?.assigned || caller.type !== "User" || device.assigned.userId !== caller.principalId)
    return refused(
      "unable to validate MFA code. Please verify your MFA serial number is valid and associated with this user.",
    );
  const now = context.now();
  const wrong = refused("with invalid MFA one time pass code.");
  if (!wrongTries.mayTry(device.id, now)) return wrong;
  const middle = stepAt(now) + device.aheadSteps;
  const from = Math.max(device.lastStep + 1, middle - 1);
  const step = stepOf([code], seedOf(device, sealingKey), from, middle + 1);
  if (step === undefined) {
    wrongTries.wrong(device.id, now);
    return wrong;
  }
  wrongTries.right(device.id);
  return { isGiven: true, transaction: records.rewrite("iam-mfa", taken(device, step, stepAt(now))) };
}

interface MfaInput {
  readonly SerialNumber?: string | undefined;
  readonly TokenCode?: string | undefined;
}

const taken = (device: MfaDeviceRecord, step: number, now: number): MfaDeviceRecord => ({
  ...device,
  lastStep: step,
  aheadSteps: step - now,
});

function seedOf({ id, sealedSeed: sealed }: MfaDeviceRecord, sealingKey: Buffer): Buffer {
  const seed = unseal(sealed, sealingKey, purpose(id));
  if (seed === undefined) throw new Error(`the seed of MFA device ${id} does not open`);
  return Buffer.from(seed, "base64");
}

const refused = (why: string): MfaProof => ({
  isGiven: true,
  refusal: new ApiError(
    "AccessDenied",
    `MultiFactorAuthentication failed${why.startsWith("with") ? " " : ", "}${why}`,
    {
      status: 403,
    },
  ),
});
