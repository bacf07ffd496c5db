import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** What is kept of a password: "scrypt$N$r$p$salt$key", so that hashes made at another cost are still read. RFC 7914. */
export async function passwordHash(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await inTurn(password, salt, cost);
  return ["scrypt", cost.N, cost.r, cost.p, salt.toString("base64"), key.toString("base64")].join("$");
}

export async function isPassword(password: string, hash: string): Promise<boolean> {
  const [, N, r, p, salt = "", key = ""] = hash.split("$");
  const found = await inTurn(password, Buffer.from(salt, "base64"), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  });
  return timingSafeEqual(found, Buffer.from(key, "base64"));
}

/** 16 MiB and about a fifth of a second. OWASP, "Password Storage Cheat Sheet". */
const cost = { N: 2 ** 14, r: 8, p: 5 } as const;
const keyBytes = 32;

/** One at a time, however many are asked for: they hold one thread of Node's and one's memory. */
function inTurn(password: string, salt: Buffer, at: { N: number; r: number; p: number }): Promise<Buffer> {
  const hashed = last.then(() => derived(password, salt, at));
  last = hashed.catch(() => {});
  return hashed;
}
let last: Promise<unknown> = Promise.resolve();

const derived = (password: string, salt: Buffer, at: { N: number; r: number; p: number }) =>
  new Promise<Buffer>((resolve, reject) => {
    scrypt(password, salt, keyBytes, at, (error, key) => (error ? reject(error) : resolve(key)));
  });
