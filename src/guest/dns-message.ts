/**
 * As much of a DNS message (RFC 1035, 6891) as a forwarder needs: the header, the one question, and the size that the client
 * can take. Records of others are passed on unread: what is not parsed cannot be parsed wrongly.
 */
export interface DnsQuery {
  readonly bytes: Buffer;
  readonly id: number;
  /** Lower case, without the final dot; the root is "". */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question section, as the client wrote it. */
  readonly question: Buffer;
  /** Bytes of the largest answer the client takes by UDP. */
  readonly udpSize: number;
  /** Whether the client speaks EDNS, and so must be answered. */
  readonly edns: boolean;
}

export type Transport = "udp" | "tcp";

/** Undefined for anything but a standard query with one well-formed question. */
export const parseQuery = (bytes: Buffer): DnsQuery | undefined => {
  if (bytes.length < HEADER || (bytes.readUInt16BE(2) & (QR | OPCODE)) !== 0) return undefined;
  const question = parseQuestion(bytes);
  if (!question) return undefined;
  const edns = ednsSize(bytes, HEADER + question.question.length);
  return {
    bytes,
    id: bytes.readUInt16BE(0),
    ...question,
    udpSize: Math.max(edns ?? 0, 512),
    edns: edns !== undefined,
  };
};

/** Whether `reply`, which came from the resolver asked, answers `query` sent with `id`. */
export const isReplyTo = (reply: Buffer, query: DnsQuery, id: number): boolean => {
  if (reply.length < HEADER || reply.readUInt16BE(0) !== id || (reply.readUInt16BE(2) & QR) === 0)
    return false;
  const answered = parseQuestion(reply);
  return answered?.name === query.name && answered.type === query.type && answered.class === query.class;
};

export const withId = (message: Buffer, id: number): Buffer => {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
};

export interface DnsAnswer {
  readonly code: number;
  /** From a server that owns the name, not one that was told. */
  readonly authoritative: boolean;
  /** Says "ask again by TCP". */
  readonly truncated?: boolean;
  /** About the name asked for. */
  readonly record?: { readonly type: number; readonly data: Buffer };
}

export const composeAnswer = (query: DnsQuery, answer: DnsAnswer): Buffer => {
  const { code, authoritative, truncated, record } = answer;
  const recursionDesired = query.bytes.readUInt16BE(2) & RD;
  const flags = QR | (authoritative ? AA : 0) | (truncated ? TC : 0) | recursionDesired | RA | code;
  return Buffer.concat([
    uint16(query.id, flags, 1, record ? 1 : 0, 0, query.edns ? 1 : 0),
    query.question,
    // The name is a pointer to the question's.
    ...(record
      ? [uint16(0xc000 | HEADER, record.type, IN, 0, ttlSeconds, record.data.length), record.data]
      : []),
    // The root's OPT record: how much this server takes, version 0, no options.
    ...(query.edns ? [Buffer.from([0]), uint16(OPT, 4096, 0, 0, 0)] : []),
  ]);
};

/** `reply` if the client can take it by UDP, else none of its records. */
export const fitForUdp = (reply: Buffer, query: DnsQuery): Buffer =>
  reply.length <= query.udpSize
    ? reply
    : composeAnswer(query, { code: reply.readUInt16BE(2) & CODE, authoritative: false, truncated: true });

export const encodeName = (name: string): Buffer =>
  Buffer.concat([
    ...name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ]);

const ttlSeconds = 60;
export const A = 1;
export const PTR = 12;
export const ANY = 255;
export const IN = 1;
export const NOERROR = 0;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const REFUSED = 5;

const parseQuestion = (bytes: Buffer): Pick<DnsQuery, "name" | "type" | "class" | "question"> | undefined => {
  if (bytes.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = bytes[at];
    // Above 63 is a compression pointer, which has nothing to point to yet.
    if (length === undefined || length > 63) return undefined;
    at += 1 + length;
    if (length === 0) break;
    if (at - HEADER > 254) return undefined;
    labels.push(bytes.toString("latin1", at - length, at));
  }
  if (at + 4 > bytes.length) return undefined;
  return {
    name: labels.join(".").toLowerCase(),
    type: bytes.readUInt16BE(at),
    class: bytes.readUInt16BE(at + 2),
    question: bytes.subarray(HEADER, at + 4),
  };
};

/** The size in the OPT record when that is what follows the question, as in every client's query. */
const ednsSize = (bytes: Buffer, at: number): number | undefined => {
  const onlyAdditional = bytes.readUInt32BE(6) === 0 && bytes.readUInt16BE(10) > 0;
  if (!onlyAdditional || at + 11 > bytes.length) return undefined;
  return bytes[at] === 0 && bytes.readUInt16BE(at + 1) === OPT ? bytes.readUInt16BE(at + 3) : undefined;
};

const uint16 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(2 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, 2 * index);
  return bytes;
};

const HEADER = 12;
const OPT = 41;
const QR = 0x8000;
const OPCODE = 0x7800;
const AA = 0x0400;
const TC = 0x0200;
const RD = 0x0100;
const RA = 0x0080;
const CODE = 0x000f;
