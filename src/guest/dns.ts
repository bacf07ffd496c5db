import {
  A,
  ANY,
  composeAnswer,
  encodeName,
  fitForUdp,
  IN,
  NOERROR,
  NXDOMAIN,
  parseQuery,
  PTR,
} from "./dns-message.ts";
import type { DnsQuery, Transport } from "./dns-message.ts";
import type { DnsForwarder } from "./dns-forwarder.ts";
import type { NetworkView } from "./network-view.ts";

/**
 * The answer to one DNS message from `client`, or undefined when it deserves none (malformed, or no query). The network's own
 * names and addresses are answered here with authority; everything else is asked of the host's resolvers.
 */
export const answerDns = async (
  message: Buffer,
  {
    network,
    client,
    transport,
    forwarder,
  }: {
    readonly network: NetworkView;
    readonly client: string;
    readonly transport: Transport;
    readonly forwarder: DnsForwarder;
  },
): Promise<Buffer | undefined> => {
  const query = parseQuery(message);
  if (!query) return undefined;
  const reply = ownAnswer(query, network) ?? (await forwarder.ask(query, client, transport));
  return transport === "udp" ? fitForUdp(reply, query) : reply;
};

const ownAnswer = (query: DnsQuery, network: NetworkView): Buffer | undefined => {
  if (query.class !== IN) return undefined;
  const named = network.byName(query.name);
  if (named) {
    const data =
      query.type === A || query.type === ANY ? Buffer.from(named.address.split(".").map(Number)) : undefined;
    return answer(query, A, data);
  }
  if (query.name === network.domain) return answer(query, A);
  // Nobody else knows this suffix: asking the host's resolvers would only tell them the guests' names.
  if (query.name.endsWith(`.${network.domain}`))
    return composeAnswer(query, { code: NXDOMAIN, authoritative: true });
  const owner = network.byAddress(addressInReverse(query.name) ?? "");
  if (!owner) return undefined;
  const data =
    query.type === PTR || query.type === ANY ? encodeName(`${owner.hostName}.${network.domain}`) : undefined;
  return answer(query, PTR, data);
};

const answer = (query: DnsQuery, type: number, data?: Buffer): Buffer =>
  composeAnswer(query, { code: NOERROR, authoritative: true, ...(data && { record: { type, data } }) });

/** "10.0.1.5" of "5.1.0.10.in-addr.arpa". */
const addressInReverse = (name: string): string | undefined =>
  /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name)?.slice(1).toReversed().join(".");
