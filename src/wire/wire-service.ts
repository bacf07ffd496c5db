import { readFileSync } from "node:fs";
import { awsQuery } from "./aws-query.ts";
import { ec2Query } from "./ec2-query.ts";
import type { WireService } from "./protocol.ts";
import type { WireTable } from "./table.ts";

/**
 * The wire side of one AWS service. Reads its table at once, since the program drops the right to read its own checkout;
 * what one operation needs is compiled when it is first called. Throws when there is no table of that name.
 */
export function loadWireService(signingName: string): WireService {
  const path = new URL(`./generated/${signingName}.generated.json`, import.meta.url);
  const table: WireTable = JSON.parse(readFileSync(path, "utf8"));
  return protocols[table.protocol](signingName, table);
}

const protocols = {
  "ec2-query": ec2Query,
  "aws-query": awsQuery,
} satisfies Record<WireTable["protocol"], (signingName: string, table: WireTable) => WireService>;
