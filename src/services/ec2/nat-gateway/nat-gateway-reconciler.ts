import { moved, settled, wait, type Outcome } from "#reconcile/outcome.ts";
import { clientTokenClaim } from "../client-token.ts";
import type { Ec2Records } from "../records.ts";
import { drained } from "./draining.ts";
import { interfaceOfGateway, natGatewayState, shownMs } from "./nat-gateway.ts";

/** Takes from a NAT gateway what it has drained, and forgets one that failed or was deleted once it was shown for an hour. */
export function reconcileNatGateway(
  id: string,
  records: Ec2Records,
  { now }: { readonly now: () => Date },
): Outcome {
  const entry = records.entry("nat-gateway", id);
  if (!entry) return settled;
  const gateway = entry.value;
  const nic = interfaceOfGateway(gateway, records);
  if (gateway.draining && nic && gateway.deletedAt === undefined) {
    const leftMs = Date.parse(gateway.draining.until) - now().getTime();
    return leftMs > 0 ? wait(leftMs) : moved(drained(gateway, nic, records));
  }
  if (!["failed", "deleted"].includes(natGatewayState(gateway, records))) return settled;
  const leftMs = Date.parse(gateway.deletedAt ?? gateway.createdAt) + shownMs - now().getTime();
  if (leftMs > 0) return wait(leftMs);
  const { clientToken: token } = gateway;
  return moved({
    expect: [{ at: [entry.key, entry.revision] }],
    delete: [
      entry.key,
      ...(token === undefined ? [] : [records.key("claim", clientTokenClaim("CreateNatGateway", token))]),
    ],
  });
}
