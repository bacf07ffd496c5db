import type { Transaction } from "#store/store.ts";
import type { Ec2Records, ResourceRecord } from "../records.ts";

/**
 * An address of the pool in use; its key is its claim, and its id the address. One that a start took goes back to the pool
 * when it is mapped to nothing; an elastic one stays allocated. Whoever maps it, or takes it away, also rewrites the
 * interface: of two at once, one wins.
 */
export interface PublicAddressRecord extends ResourceRecord {
  readonly interfaceId?: string;
  /** The interface's secondary address that it is mapped to; absent: the primary one. */
  readonly secondary?: string;
  /** Of an elastic address. */
  readonly allocationId?: `eipalloc-${string}`;
  /** Of an elastic address that is mapped. */
  readonly associationId?: `eipassoc-${string}`;
}

export const publicAddressInUse = (records: Ec2Records) => (address: string) =>
  records.get("public-address", address) !== undefined;

/** Takes addresses from the interfaces they are mapped to. */
export function unmapped(
  addresses: readonly PublicAddressRecord[],
  records: Ec2Records,
): Required<Transaction> {
  const elastic = addresses.filter(({ allocationId }) => allocationId !== undefined);
  return {
    expect: addresses.flatMap((it) => records.rewrite("public-address", it).expect),
    put: elastic.flatMap((it) => records.rewrite("public-address", free(it)).put),
    delete: addresses
      .filter((it) => !elastic.includes(it))
      .map(({ id }) => records.key("public-address", id)),
  };
}

const free = ({
  interfaceId: _,
  secondary: _secondary,
  associationId: _associationId,
  ...address
}: PublicAddressRecord): PublicAddressRecord => address;
