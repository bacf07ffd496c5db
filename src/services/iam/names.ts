import { validationError } from "./errors.ts";

/** Throws ValidationError in AWS's words; how long a name may be the wire knows. `member`: "userName". */
export function checkName(member: string, name: string): void {
  if (!/^[\w+=,.@-]+$/.test(name))
    throw validationError(
      `The specified value for ${member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-`,
    );
}

export function checkPath(path: string): string {
  if (!/^\/$|^\/[\x21-\x7e]+\/$/.test(path))
    throw validationError(
      "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
    );
  return path;
}

/** `prefix` ("AIDA") and 17 characters. AWS, "IAM identifiers: unique identifiers". */
export function newUniqueId<P extends string>(prefix: P, random: (below: number) => number): `${P}${string}` {
  return `${prefix}${Array.from({ length: 17 }, () => alphabet.charAt(random(alphabet.length))).join("")}`;
}

/** Of RFC 4648, in which AWS writes ids. */
export const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
