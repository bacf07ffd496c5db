import { spawn } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { croftCommand } from "#checkout.ts";
import type { RealRegion } from "../real-region.ts";

export type FakeRegion = Pick<RealRegion, "endpoint" | "environment" | "imageId">;

/** As `croft start --machines fake` makes one, until the calling file's tests end. */
export const fakeRegion = async (): Promise<FakeRegion> => {
  const options = ["--machines", "fake", "--ephemeral", "--port", "0", "--issuer-from", "127.0.0.0/8"];
  const child = spawn(process.execPath, [croftCommand, "start", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  let said = "";
  for await (const text of child.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    said += text;
    if (said.includes("croft: ready")) break;
  }
  const [, endpoint = ""] = /^croft: ready (\S+)$/m.exec(said) ?? [];
  const [imageId = ""] = /\bami-\w+/.exec(said) ?? [];
  const exports = said.matchAll(/^ *export (\w+)=(.*)$/gm);
  const environment = Object.fromEntries([...exports].map(([, name = "", value = ""]) => [name, value]));
  return { endpoint, imageId, environment };
};
