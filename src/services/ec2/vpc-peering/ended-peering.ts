import type { Transaction } from "#store/store.ts";
import type { Ec2Records } from "../records.ts";
import { peeringClaim, vpcsOfPeering, type VpcPeeringRecord, type VpcPeeringState } from "./vpc-peering.ts";

/** Its two VPCs may then have another. */
export const endedPeering = (
  peering: VpcPeeringRecord,
  state: VpcPeeringState,
  since: string,
  records: Ec2Records,
): Required<Transaction> => ({
  ...records.rewrite("vpc-peering-connection", { ...peering, state, since }),
  delete: [records.key("claim", peeringClaim(vpcsOfPeering(peering)))],
});
