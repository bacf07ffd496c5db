/**
 * Has the secret of a key, which drivers know wrapped: a text of which nobody guesses any part, and which they keep nowhere. What is open by
 * then goes on when the key may not be used any more. Throws `KeyRefused`.
 */
export type OpenKey = (key: string) => string;

/** The key may not be used (any more), or is gone; the message says why. */
export class KeyRefused extends Error {
  override readonly name = "KeyRefused";
}

/** Why what a driver was asked for failed, when it is that. */
export function keyRefusal(error: unknown): KeyRefused | undefined {
  if (error instanceof KeyRefused) return error;
  return error instanceof Error && error.cause !== undefined ? keyRefusal(error.cause) : undefined;
}

/** For those that have no keys. */
export const noKeys: OpenKey = () => {
  throw new KeyRefused("there are no keys here");
};
