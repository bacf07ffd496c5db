/**
 * `text` with the characters that would command a terminal (C0 and C1 but tab and line feed, and DEL) spelled out, as `\x1b`: what
 * programs and logs say may hold words of a guest, a foreign disk or somebody's server.
 */
export const printable = (text: string): string =>
  text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- control characters are the point
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
