import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT, type JWK, type JWTPayload } from "jose";
import { temporaryDirectory, type Undone } from "./temporary-directory.ts";

export type TestIssuer = Awaited<ReturnType<typeof startIssuer>>;

/** An OIDC provider on loopback, with a certificate that nobody vouches for: it is known by its thumbprint. */
export async function startIssuer(t: Undone) {
  const dir = await temporaryDirectory(t);
  const [key, cert] = [join(dir, "key"), join(dir, "cert")];
  const making = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=issuer -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${cert}`;
  execFileSync("openssl", making.split(" "), { stdio: "ignore" });
  const pem = readFileSync(cert, "utf8");

  const published: JWK[] = [];
  const asked: string[] = [];
  /** What is answered in place of what belongs there. */
  const instead = new Map<string, { status?: number; body?: string; location?: string }>();
  const server = createServer({ key: readFileSync(key), cert: pem }, ({ url: path = "" }, answer) => {
    asked.push(path);
    const bodies: Record<string, object> = {
      "/.well-known/openid-configuration": { issuer: url, jwks_uri: `${url}/keys` },
      "/keys": { keys: published },
    };
    const { status = 200, body = JSON.stringify(bodies[path] ?? {}), location } = instead.get(path) ?? {};
    answer.writeHead(status, location === undefined ? {} : { location }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `https://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });

  const newKey = async (kid: string, alg = "RS256") => {
    const { privateKey, publicKey } = await generateKeyPair(alg);
    return {
      alg,
      kid,
      privateKey,
      publish: async () => void published.push({ ...(await exportJWK(publicKey)), kid, alg }),
    };
  };
  const first = await newKey("first");
  await first.publish();
  return {
    url,
    thumbprint: createHash("sha1").update(new X509Certificate(pem).raw).digest("hex"),
    asked,
    instead,
    newKey,
    /** Good for an hour, for "croft", about "ada", but for what `claims` say. */
    token(
      claims: { readonly [claim: string]: unknown } = {},
      by: Pick<typeof first, "alg" | "kid" | "privateKey"> = first,
    ): Promise<string> {
      const now = Math.trunc(Date.now() / 1000);
      const said: JWTPayload = { iss: url, aud: "croft", sub: "ada", iat: now, exp: now + 3600, ...claims };
      return new SignJWT(said).setProtectedHeader({ alg: by.alg, kid: by.kid }).sign(by.privateKey);
    },
  };
}
