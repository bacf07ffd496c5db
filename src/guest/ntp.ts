/**
 * The answer of a simple NTP server (RFC 5905, 4330) that passes on the host's clock, or undefined for anything that is not a
 * client's request (mode 3, version 1 to 4). `nowMs` is milliseconds since 1970. Never longer than what was asked.
 */
export const answerNtp = (request: Buffer, nowMs: number): Buffer | undefined => {
  if (request.length < 48) return undefined;
  const first = request.readUInt8(0);
  const version = (first >> 3) & 7;
  if ((first & 7) !== CLIENT || version < 1 || version > 4) return undefined;
  const answer = Buffer.alloc(48);
  answer.writeUInt8((version << 3) | SERVER, 0);
  answer.writeUInt8(STRATUM, 1);
  answer.writeUInt8(request.readUInt8(2), 2); // the client's poll interval
  answer.writeInt8(-10, 3); // precision: 2^-10 s, what a millisecond clock has
  answer.writeUInt32BE(0x0000_0042, 4); // root delay and dispersion, 1 ms each: how far the host itself may be off
  answer.writeUInt32BE(0x0000_0042, 8);
  answer.set([127, 127, 1, 0], 12); // "its own clock"
  const second = 1000;
  writeTimestamp(answer, 16, nowMs - (nowMs % (64 * second))); // when the clock was last set: recently
  request.copy(answer, 24, 40, 48); // the client's transmit time comes back as origin
  writeTimestamp(answer, 32, nowMs);
  writeTimestamp(answer, 40, nowMs);
  return answer;
};

/** Seconds since 1900 (modulo an era of 2^32) and a 32-bit fraction. */
const writeTimestamp = (into: Buffer, at: number, ms: number) => {
  const seconds = Math.floor(ms / 1000);
  into.writeUInt32BE((seconds + SECONDS_1900_TO_1970) % 2 ** 32, at);
  into.writeUInt32BE(Math.floor(((ms - seconds * 1000) / 1000) * 2 ** 32), at + 4);
};

const CLIENT = 3;
const SERVER = 4;
const STRATUM = 3;
const SECONDS_1900_TO_1970 = 2_208_988_800;
