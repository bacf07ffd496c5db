import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { signRequest } from "#auth/sign-request.ts";

/** One EC2 endpoint, and the key its calls are signed with. */
export interface Endpoint {
  readonly port: number;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** One connection, kept alive as long as the server keeps it. */
export interface RawClient {
  /** The answer's body. Throws when it is no 200. */
  call(request: Buffer): Promise<Buffer>;
  close(): void;
}

/** A whole signed request, to be sent again and again: what it costs to make and to parse is the SDK's, and not measured. */
export function signedCall(
  { port, region, credentials }: Endpoint,
  action: string,
  parameters: Readonly<Record<string, string>>,
): Buffer {
  const body = new URLSearchParams({ Action: action, Version: "2016-11-15", ...parameters }).toString();
  const unsigned = {
    host: `127.0.0.1:${port}`,
    "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
  };
  const headers = signRequest(
    { method: "POST", path: "/", headers: unsigned, body },
    { credentials, region, service: "ec2", date: new Date() },
  );
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST / HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}

export function rawClient({ port }: Pick<Endpoint, "port">): RawClient {
  let socket: Socket | undefined;
  return {
    async call(request) {
      if (!socket?.writable) {
        socket = connect({ port, host: "127.0.0.1", noDelay: true });
        await once(socket, "connect");
      }
      const answered = answerOn(socket);
      socket.write(request);
      const { head, body } = await answered;
      if (/\r\nconnection: close/i.test(head)) socket.destroy();
      if (!head.startsWith("HTTP/1.1 200 ")) throw new Error(`${head}\r\n\r\n${body.toString()}`);
      return body;
    },
    close: () => void socket?.destroy(),
  };
}

/** The next answer, by its Content-Length. */
function answerOn(socket: Socket): Promise<{ head: string; body: Buffer }> {
  const chunks: Buffer[] = [];
  let [head, length, missing] = ["", 0, Infinity];
  return new Promise((resolve, reject) => {
    const end = (error?: Error) => {
      socket.off("data", take).off("error", end).off("close", end);
      if (missing > 0) reject(error ?? new Error("the server hung up"));
      else resolve({ head, body: Buffer.concat(chunks).subarray(-length) });
    };
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      if (head === "") {
        const all = chunks.length === 1 ? chunk : Buffer.concat(chunks.splice(0));
        const at = all.indexOf("\r\n\r\n");
        if (all !== chunk) chunks.push(all);
        if (at < 0) return;
        head = all.subarray(0, at).toString();
        length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
        missing = at + 4 + length - all.length;
      } else missing -= chunk.length;
      if (missing <= 0) end();
    };
    socket.on("data", take).on("error", end).on("close", end);
  });
}
