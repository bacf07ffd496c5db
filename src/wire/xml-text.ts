/** Text as it stands between two XML tags. What XML 1.0 cannot say in any form becomes U+FFFD. */
export function escapeXml(text: string): string {
  return needsCare.test(text) ? text.replace(everyNeed, (found) => references[found] ?? "\uFFFD") : text;
}

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const needsCare = /[&<>"'\r\n\u0085\u2028\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/;
const everyNeed = new RegExp(needsCare, "g");

/** Of the line ends XML makes "\n" of all, and some clients' parsers trim that. */
const references: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
  "\r": "&#xD;",
  "\n": "&#xA;",
  "\u0085": "&#x85;",
  "\u2028": "&#x2028;",
};
