/**
 * As much of CBOR (RFC 8949) as AWS's clients send. Byte strings become Uint8Array, maps plain objects of their own members,
 * tag 1 a Date; other tags are left away. Throws RangeError for what is no such document, or is nested too deeply.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const document = item(0);
  if (at !== bytes.length) throw malformed("something follows the CBOR document");
  return document;

  function item(depth: number): unknown {
    if (depth > depthLimit) throw malformed("the CBOR document is nested too deeply");
    const { major, minor } = head();
    if (major === 0) return argument(minor);
    if (major === 1) return -1 - argument(minor);
    if (major === 2) return new Uint8Array(string(major, minor));
    if (major === 3) return text(string(major, minor));
    if (major === 4) return array(minor, depth);
    if (major === 5) return Object.fromEntries(entries(minor, depth));
    return major === 6 ? tagged(argument(minor), depth) : simple(minor);
  }

  function head() {
    const first = take(1)[0]!;
    return { major: first >> 5, minor: first & 0x1f };
  }

  function take(length: number): Uint8Array {
    if (length > bytes.length - at) throw malformed("the CBOR document is cut short");
    at += length;
    return bytes.subarray(at - length, at);
  }

  function argument(minor: number): number {
    if (minor < 24) return minor;
    const start = at;
    if (minor > 27) throw malformed("a CBOR length is not one");
    take(1 << (minor - 24));
    if (minor === 24) return view.getUint8(start);
    if (minor === 25) return view.getUint16(start);
    return minor === 26 ? view.getUint32(start) : Number(view.getBigUint64(start));
  }

  /** Also one in parts of the same kind. */
  function string(major: number, minor: number): Uint8Array {
    if (minor !== indefinite) return take(argument(minor));
    const parts: Uint8Array[] = [];
    while (!atBreak()) {
      const part = head();
      if (part.major !== major || part.minor === indefinite)
        throw malformed("a CBOR string is in wrong parts");
      parts.push(take(argument(part.minor)));
    }
    return Buffer.concat(parts);
  }

  function array(minor: number, depth: number): unknown[] {
    const items: unknown[] = [];
    for (let left = count(minor); more(left); left--) items.push(item(depth + 1));
    return items;
  }

  function entries(minor: number, depth: number): [string, unknown][] {
    const members: [string, unknown][] = [];
    for (let left = count(minor); more(left); left--) {
      const key = item(depth + 1);
      if (typeof key !== "string") throw malformed("a CBOR map has a key that is no text");
      members.push([key, item(depth + 1)]);
    }
    return members;
  }

  function count(minor: number): number {
    return minor === indefinite ? Infinity : argument(minor);
  }

  function more(left: number): boolean {
    return left === Infinity ? !atBreak() : left > 0;
  }

  function atBreak(): boolean {
    if (bytes[at] !== 0xff) return false;
    at++;
    return true;
  }

  function tagged(tag: number, depth: number): unknown {
    const value = item(depth + 1);
    return tag === 1 ? dateOf(value) : value;
  }

  function simple(minor: number): unknown {
    if (minor === 20 || minor === 21) return minor === 21;
    if (minor === 22 || minor === 23) return null;
    const start = at;
    if (minor === 25) return float16(argument(minor));
    if (minor !== 26 && minor !== 27) throw malformed("a CBOR value is of no kind known here");
    take(1 << (minor - 24));
    return minor === 26 ? view.getFloat32(start) : view.getFloat64(start);
  }
}

/** Plain values, Uint8Array and Date; what is undefined is left out. */
export function encodeCbor(document: unknown): Buffer {
  const parts: Uint8Array[] = [];
  write(document);
  return Buffer.concat(parts);

  function write(value: unknown): void {
    if (typeof value === "string") {
      const utf8 = Buffer.from(value);
      parts.push(initial(3, utf8.length), utf8);
    } else if (typeof value === "number") parts.push(number(value));
    else if (typeof value === "boolean") parts.push(Uint8Array.of(value ? 0xf5 : 0xf4));
    else if (value instanceof Uint8Array) parts.push(initial(2, value.length), value);
    else if (value instanceof Date) parts.push(Uint8Array.of(0xc1), number(value.getTime() / 1000));
    else if (Array.isArray(value)) {
      parts.push(initial(4, value.length));
      for (const item of value) write(item);
    } else if (typeof value === "object" && value !== null) {
      const members = Object.entries(value).filter(([, member]) => member !== undefined);
      parts.push(initial(5, members.length));
      for (const member of members) member.forEach(write);
    } else parts.push(Uint8Array.of(0xf6));
  }
}

const depthLimit = 100;
const indefinite = 31;

const malformed = (message: string) => new RangeError(message);

const text = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();

function dateOf(seconds: unknown): Date {
  const time = new Date(typeof seconds === "number" ? seconds * 1000 : Number.NaN);
  if (Number.isNaN(time.getTime())) throw malformed("a CBOR time is not one");
  return time;
}

function float16(bits: number): number {
  const [exponent, fraction, sign] = [(bits >> 10) & 0x1f, bits & 0x3ff, bits & 0x8000 ? -1 : 1];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function number(value: number): Uint8Array {
  if (Number.isSafeInteger(value) && !Object.is(value, -0))
    return value < 0 ? initial(1, -1 - value) : initial(0, value);
  const bytes = Buffer.alloc(9, 0xfb);
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function initial(major: number, argument: number): Uint8Array {
  const first = major << 5;
  if (argument < 24) return Uint8Array.of(first | argument);
  if (argument < 0x100) return Uint8Array.of(first | 24, argument);
  const bytes = Buffer.alloc(argument < 0x1_0000 ? 3 : argument < 0x1_0000_0000 ? 5 : 9);
  bytes[0] = first | (bytes.length === 3 ? 25 : bytes.length === 5 ? 26 : 27);
  if (bytes.length === 9) bytes.writeBigUInt64BE(BigInt(argument), 1);
  else bytes.writeUIntBE(argument, 1, bytes.length - 1);
  return bytes;
}
