import { alphabet } from "#services/iam/names.ts";
import { codeAt, stepAt } from "#services/iam/totp.ts";

/** An app with a virtual MFA device's seed: the code of so many steps of 30 seconds from when it got that. */
export function authenticator(seed: Uint8Array | undefined): (step: number) => string {
  const letters = Buffer.from(seed ?? []).toString();
  let bits = "";
  for (const letter of letters) bits += alphabet.indexOf(letter).toString(2).padStart(5, "0");
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((it) => Number.parseInt(it, 2)));
  const began = stepAt(new Date());
  return (step) => codeAt(began + step, bytes);
}
