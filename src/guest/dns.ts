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
  REFUSED,
} from "./dns-message.ts";
import type { DnsQuery, Transport } from "./dns-message.ts";
import type { DnsForwarder } from "./dns-forwarder.ts";
import { apiAddress, awsName } from "./aws-names.ts";
import type { NetworkView } from "./network-view.ts";

/**
 * The answer to one DNS message from `client`, or undefined when it deserves none (malformed, or no query). The network's own
 * names and addresses, and those of AWS's services, are answered here with authority; everything else is asked of the host's resolvers. A network whose resolver
 * is switched off refuses every question.
 */
export const answerDns = async (
  message: Buffer,
  {
    network,
    client,
    transport,
    forwarder,
    realAws,
  }: {
    readonly network: NetworkView;
    readonly client: string;
    readonly transport: Transport;
    readonly forwarder: DnsForwarder;
    /** Whether AWS's names lead to the real AWS, but those of what the region serves. */
    readonly realAws: boolean;
  },
): Promise<Buffer | undefined> => {
  const query = parseQuery(message);
  if (!query) return undefined;
  if (!network.resolves) return composeAnswer(query, { code: REFUSED, authoritative: false });
  const reply =
    ownAnswer(query, network) ??
    awsAnswer(query, network, realAws) ??
    (await forwarder.ask(query, client, transport));
  return transport === "udp" ? fitForUdp(reply, query) : reply;
};

const ownAnswer = (query: DnsQuery, network: NetworkView): Buffer | undefined => {
  if (query.class !== IN) return undefined;
  const named = network.addressOf(query.name);
  if (named !== undefined) {
    const data = query.type === A || query.type === ANY ? bytesOf(named) : undefined;
    return answer(query, A, data);
  }
  if (query.name === network.domain) return answer(query, A);
  // Nobody else knows this suffix: asking the host's resolvers would only tell them the guests' names.
  if (query.name.endsWith(`.${network.domain}`))
    return composeAnswer(query, { code: NXDOMAIN, authoritative: true });
  const hostName = network.hostNameOf(addressInReverse(query.name) ?? "");
  if (hostName === undefined) return undefined;
  const data =
    query.type === PTR || query.type === ANY ? encodeName(`${hostName}.${network.domain}`) : undefined;
  return answer(query, PTR, data);
};

const awsAnswer = (query: DnsQuery, network: NetworkView, realAws: boolean): Buffer | undefined => {
  const named = query.class === IN ? awsName(query.name, { realAws }) : undefined;
  if (!named) return undefined;
  if (named.is === "nothing") return composeAnswer(query, { code: NXDOMAIN, authoritative: true });
  const address = named.is === "api" ? apiAddress : (network.behind(named.address) ?? named.address);
  return answer(query, A, query.type === A || query.type === ANY ? bytesOf(address) : undefined);
};

const bytesOf = (address: string): Buffer => Buffer.from(address.split(".").map(Number));

const answer = (query: DnsQuery, type: number, data?: Buffer): Buffer =>
  composeAnswer(query, { code: NOERROR, authoritative: true, ...(data && { record: { type, data } }) });

/** "10.0.1.5" of "5.1.0.10.in-addr.arpa". */
const addressInReverse = (name: string): string | undefined =>
  /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name)?.slice(1).toReversed().join(".");
