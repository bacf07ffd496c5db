import type * as iam from "@aws-sdk/client-iam";
import type { MFADevice, VirtualMFADevice } from "@aws-sdk/client-iam";
import { correction, generate } from "lean-qr";
import { toPngBuffer } from "lean-qr/extras/node_export";
import { ApiError } from "#api/error.ts";
import type { OperationPlan, OperationsOf } from "#api/operation.ts";
import type { IamContext } from "./context.ts";
import { alreadyExists, deleteConflict, quotaExceeded } from "./errors.ts";
import { findUser, touching, untagged, userOrCaller } from "./holder.ts";
import { findDevice, findDeviceOf, sealedSeed, serialOf, synchronised } from "./mfa-device.ts";
import { checkName, checkPath, newUniqueId } from "./names.ts";
import { page, type Truncation } from "./pagination.ts";
import { quotas } from "./quotas.ts";
import type { MfaDeviceRecord, UserRecord } from "./records.ts";
import { tagsMember, withTags } from "./tags.ts";
import { base32 } from "./totp.ts";
import { describeUser } from "./user-operations.ts";

const mostOfUser = 8;
const seedBytes = 40;

/** Virtual MFA devices: apps that tell codes by a seed. Keys and the like of hardware are none. */
export const mfaOperations = {
  /** The seed is told once, and kept sealed. */
  CreateVirtualMFADevice: {
    resolve(input, context) {
      const { records, now, random, sealingKey } = context;
      checkName("virtualMFADeviceName", input.VirtualMFADeviceName);
      const id = newUniqueId("AMFA", random);
      const seed = Buffer.from(Array.from({ length: seedBytes }, () => random(256)));
      const device: MfaDeviceRecord = {
        id,
        name: input.VirtualMFADeviceName,
        path: checkPath(input.Path ?? "/"),
        createdAt: now().toISOString(),
        tags: withTags({}, input.Tags),
        sealedSeed: sealedSeed(id, seed, sealingKey),
        aheadSteps: 0,
        lastStep: 0,
      };
      if (records.named("iam-mfa", device.path + device.name))
        throw alreadyExists("MFADevice entity at the same path and name already exists.");
      if (records.all("iam-mfa").length >= quotas.UsersQuota)
        throw quotaExceeded("MFADevicesPerAccount", quotas.UsersQuota);
      return {
        touches: touching("iam-mfa", untagged(device), context),
        transaction: records.create("iam-mfa", device),
        device,
        seed: base32(seed),
      };
    },
    answer: ({ device, seed }: { device: MfaDeviceRecord; seed: string }, context) => ({
      VirtualMFADevice: {
        SerialNumber: serialOf(device, context),
        Base32StringSeed: Buffer.from(seed),
        QRCodePNG: toPngBuffer(
          generate(keyUri(device, seed, context), { minCorrectionLevel: correction.M }),
          {
            scale: 4,
          },
        ),
        ...tagsMember(device.tags),
      },
    }),
  },

  ListVirtualMFADevices: {
    resolve(input, context) {
      const { AssignmentStatus: status = "Any" } = input;
      const devices = context.records
        .all("iam-mfa")
        .filter(({ assigned }) => status === "Any" || (status === "Assigned") === (assigned !== undefined));
      return { touches: [], ...page(devices, (it) => serialOf(it, context), input) };
    },
    answer: ({ items, truncation }: Page, context) => ({
      VirtualMFADevices: items.map((it) => describeVirtual(it, context)),
      ...truncation,
    }),
  },

  /** Fails while a user has it. */
  DeleteVirtualMFADevice: {
    resolve({ SerialNumber: serial }, context) {
      const device = findDevice(serial, context);
      if (device.assigned) throw deleteConflict("MFA VirtualDevice in use. Must deactivate first.");
      return {
        touches: touching("iam-mfa", device, context),
        transaction: context.records.remove("iam-mfa", device),
      };
    },
    answer: () => ({}),
  },

  /** By two codes that follow one another. A user has eight at most. */
  EnableMFADevice: {
    resolve(input, context) {
      const { records, now } = context;
      const user = findUser(input.UserName, context);
      const device = findDevice(input.SerialNumber, context);
      if (device.assigned) throw alreadyExists("MFA Device is already in use.");
      if (records.usersOf(user.id, "mfa").length >= mostOfUser)
        throw quotaExceeded("MfaDevicesPerUser", mostOfUser);
      const assigned = { userId: user.id, enabledAt: now().toISOString() };
      const enabled = { ...inTime(device, input, context), assigned };
      return {
        touches: touching("iam-user", user, context),
        transaction: records.assignDevice(user, enabled),
      };
    },
    answer: () => ({}),
  },

  ResyncMFADevice: {
    resolve(input, context) {
      const user = findUser(input.UserName, context);
      const device = findDeviceOf(user, input.SerialNumber, context);
      return changed(user, inTime(device, input, context), context);
    },
    answer: () => ({}),
  },

  /** It stays, and may be enabled again. */
  DeactivateMFADevice: {
    resolve(input, context) {
      const user = userOrCaller(input.UserName, context);
      const { assigned: _, ...device } = findDeviceOf(user, input.SerialNumber, context);
      const leaving = [{ id: user.id, use: "mfa" as const }];
      return {
        touches: touching("iam-user", user, context),
        transaction: context.records.rewrite("iam-mfa", device, { leaving }),
      };
    },
    answer: () => ({}),
  },

  /** The root has none. */
  ListMFADevices: {
    resolve(input, context) {
      if (input.UserName === undefined && context.caller.type === "Account")
        return { touches: [], ...page<MFADevice>([], () => "", input) };
      const user = userOrCaller(input.UserName, context);
      const devices = devicesOf(user, context).map((it) => describe(it, user, context));
      return {
        touches: touching("iam-user", user, context),
        ...page(devices, (it) => it.SerialNumber, input),
      };
    },
    answer: ({ items, truncation }: { items: readonly MFADevice[]; truncation: Truncation }) => ({
      MFADevices: [...items],
      ...truncation,
    }),
  },

  /** AWS gives it of security keys alone, of which Croft has none; here it is of a virtual device that a user has. */
  GetMFADevice: {
    resolve(input, context) {
      const user = userOrCaller(input.UserName, context);
      const device = findDeviceOf(user, input.SerialNumber, context);
      return { touches: touching("iam-user", user, context), described: describe(device, user, context) };
    },
    answer: ({ described }: { described: Described }) => described,
  },
} satisfies OperationsOf<typeof iam, IamContext>;

/** Those that a user has. */
const devicesOf = (user: UserRecord, { records }: IamContext): MfaDeviceRecord[] =>
  records.usersOf(user.id, "mfa").flatMap((id) => records.get("iam-mfa", id) ?? []);

interface Page {
  readonly items: readonly MfaDeviceRecord[];
  readonly truncation: Truncation;
}

interface Codes {
  readonly AuthenticationCode1: string;
  readonly AuthenticationCode2: string;
}

/** Throws InvalidAuthenticationCode. */
function inTime(device: MfaDeviceRecord, codes: Codes, context: IamContext): MfaDeviceRecord {
  const { AuthenticationCode1: first, AuthenticationCode2: second } = codes;
  const found = synchronised(device, [first, second], context);
  if (!found)
    throw new ApiError("InvalidAuthenticationCode", "Authentication code for device is not valid.", {
      status: 403,
    });
  return found;
}

const changed = (user: UserRecord, device: MfaDeviceRecord, context: IamContext): OperationPlan => ({
  touches: touching("iam-user", user, context),
  transaction: context.records.rewrite("iam-mfa", device),
});

/** What authenticator apps read. AWS, "VirtualMFADevice". */
function keyUri(device: MfaDeviceRecord, seed: string, { caller, records, accountId }: IamContext): string {
  const account = records.get("iam-user", caller.principalId ?? "")?.name ?? accountId;
  return `otpauth://totp/${encodeURIComponent(`${device.name}@${account}`)}?secret=${seed}`;
}

function describeVirtual(device: MfaDeviceRecord, context: IamContext): VirtualMFADevice {
  const { assigned } = device;
  const user = assigned && context.records.get("iam-user", assigned.userId);
  return {
    SerialNumber: serialOf(device, context),
    ...(user && { User: describeUser(user, context) }),
    ...(assigned && { EnableDate: new Date(assigned.enabledAt) }),
  };
}

type Described = ReturnType<typeof describe>;
const describe = (device: MfaDeviceRecord, user: UserRecord, context: IamContext) => ({
  UserName: user.name,
  SerialNumber: serialOf(device, context),
  EnableDate: new Date(device.assigned?.enabledAt ?? device.createdAt),
});
