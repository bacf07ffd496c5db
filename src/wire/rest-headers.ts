import { fieldsOf, itemsOf, scalarText } from "./output-value.ts";
import { shapeRow, wireNameOf, type MemberRow, type WireTable } from "./table.ts";

/** The members of an output that HTTP carries in headers, by header name. */
export function restHeaders(
  table: WireTable,
  members: readonly MemberRow[],
  output: object,
): Record<string, string> {
  const fields = fieldsOf(output);
  const headers: Record<string, string> = {};
  for (const member of members) {
    const value = fields[member[0]];
    if (value === undefined || value === null) continue;
    if (member[3] === "header") headers[wireNameOf(member)] = headerText(table, member[1], value);
    if (member[3] === "headers")
      for (const [name, each] of Object.entries(fieldsOf(value)))
        headers[wireNameOf(member) + name] = String(each);
  }
  return headers;
}

function headerText(table: WireTable, shape: number, value: unknown): string {
  const row = shapeRow(table, shape);
  if (row[0] === "list")
    return itemsOf(value)
      .map((item) => headerText(table, row[1], item))
      .join(", ");
  if (row[0] === "struct" || row[0] === "union" || row[0] === "map")
    throw new Error("no header holds a structure");
  // HTTP's own form, where the schema says nothing of a time.
  return scalarText(row[0] === "enum" ? "string" : row[0] === "time" ? "http-time" : row[0])(value);
}
