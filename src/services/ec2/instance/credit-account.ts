import type { CpuCredits } from "./instance.ts";

/**
 * What a burstable instance has earned and spent. A credit is one processor at full speed for a minute.
 * Follows "Key concepts for burstable performance instances" of the EC2 User Guide, and its pages on standard and unlimited mode.
 */
export interface CreditAccount {
  readonly running: boolean;
  /** Milliseconds since 1970: everything before it is accounted for; of a stopped instance, when it stopped. */
  readonly atMs: number;
  /** What its machine's processors had run by then. */
  readonly processorMs: number;
  /** Earned and not spent. */
  readonly earned: number;
  /** Given at a start and not spent; they are spent first, and no limit counts them. */
  readonly launch: number;
  /** Spent without having them, to be paid by what is earned later. */
  readonly surplus: number;
  /** Spent beyond what a day earns, or never paid: AWS would charge for them. */
  readonly charged: number;
}

export interface CreditTerms {
  readonly type: string;
  readonly cpus: number;
  readonly mode: CpuCredits;
}

/** At its launch or a later start. T2 begins with launch credits in standard mode; others keep what they had for seven days. */
export function started(
  before: CreditAccount | undefined,
  { type, cpus, mode }: CreditTerms,
  atMs: number,
): CreditAccount {
  const kept = before !== undefined && atMs - before.atMs <= KEPT_MS ? before.earned : 0;
  const launch = isT2(type) && mode === "standard" ? LAUNCH_CREDITS * cpus : 0;
  const charged = before?.charged ?? 0;
  return { running: true, atMs, processorMs: 0, earned: kept, launch, surplus: 0, charged };
}

/** `processorMs` is counted from the start of the machine's process. */
export function advanced(
  before: CreditAccount,
  terms: CreditTerms,
  atMs: number,
  processorMs: number,
): CreditAccount {
  const hours = Math.max(0, atMs - before.atMs) / 3_600_000;
  // Less than before: another process.
  const ranMs = processorMs < before.processorMs ? processorMs : processorMs - before.processorMs;
  const most = mostCredits(terms);
  const income = creditsPerHour(terms) * hours;
  let unpaid = ranMs / 60_000;
  const pay = (purse: number) => {
    const paid = Math.min(purse, unpaid);
    unpaid -= paid;
    return purse - paid;
  };
  const saved = pay(income);
  const [launch, earned] = [pay(before.launch), pay(before.earned)];
  const unlimited = terms.mode === "unlimited";
  // In standard mode nothing is owed: the machine is slowed down, and what it got before that is forgotten.
  const owed = (unlimited ? before.surplus : 0) + (unlimited ? unpaid : 0);
  const repaid = Math.min(owed, saved);
  return {
    running: true,
    atMs: Math.max(atMs, before.atMs),
    processorMs,
    launch,
    earned: Math.min(most, earned + saved - repaid),
    surplus: Math.min(most, owed - repaid),
    charged: before.charged + Math.max(0, owed - repaid - most) + (unlimited ? 0 : before.surplus),
  };
}

/** T2 loses all at a stop. */
export function stopped(
  before: CreditAccount,
  { type }: Pick<CreditTerms, "type">,
  atMs: number,
): CreditAccount {
  return {
    running: false,
    atMs,
    processorMs: 0,
    earned: isT2(type) ? 0 : before.earned,
    launch: 0,
    surplus: 0,
    charged: before.charged + before.surplus,
  };
}

/** CloudWatch's CPUCreditBalance. */
export const creditBalance = ({ earned, launch }: CreditAccount) => earned + launch;

/**
 * How much of the host's processors the machine may use; undefined: all it can. Without credits it is the baseline, until there is
 * a minute's income again.
 */
export function processorLimit(
  account: CreditAccount,
  terms: CreditTerms,
  limitedBefore: boolean,
): number | undefined {
  const enough = limitedBefore ? creditsPerHour(terms) / 60 : 0;
  return terms.mode === "standard" && creditBalance(account) <= enough
    ? creditsPerHour(terms) / 60
    : undefined;
}

/** T2 Nano: 3; T3 2xlarge: 192. */
export const creditsPerHour = ({ type, cpus }: Pick<CreditTerms, "type" | "cpus">) =>
  baseline(type) * cpus * 60;

/** What a day earns. */
const mostCredits = (terms: CreditTerms) => creditsPerHour(terms) * 24;

/** The part of each processor that may be used without end. */
function baseline(type: string): number {
  const [, size = ""] = type.split(".");
  const part = (isT2(type) ? t2Baselines[size] : undefined) ?? baselines[size];
  if (part === undefined) throw new Error(`the baseline of ${type} is not known`);
  return part;
}

const baselines: Readonly<Record<string, number>> = {
  nano: 0.05,
  micro: 0.1,
  small: 0.2,
  medium: 0.2,
  large: 0.3,
  xlarge: 0.4,
  "2xlarge": 0.4,
};
const t2Baselines: Readonly<Record<string, number>> = { xlarge: 0.225, "2xlarge": 0.17 };

const isT2 = (type: string) => type.startsWith("t2.");
/** For each processor. */
const LAUNCH_CREDITS = 30;
const KEPT_MS = 7 * 24 * 3_600_000;
