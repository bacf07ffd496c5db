import { randomBytes } from "node:crypto";
import { after } from "node:test";
import { EC2Client } from "@aws-sdk/client-ec2";
import { destroyNetworks, openNetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import type { NetnsNetworks } from "#drivers/network/netns/netns-networks.ts";
import { fakeImage } from "#fake/fake-host.ts";
import { serveFakeRegion } from "#fake/fake-region.ts";
import { loadApiParts } from "#region-api.ts";
import { settle } from "#setup/region-settings.ts";
import { newCredentials } from "#setup/credentials.ts";
import { openMemoryStore } from "#store/sqlite/memory-store.ts";
import type { FakeRegion } from "../clients/fake-region.ts";

/** A region whose machines are fake and whose networks are real: what would be a tap is a veth, for a namespace to take its end. */
export interface WiredRegion extends FakeRegion {
  readonly client: EC2Client;
  readonly networks: NetnsNetworks;
}

/** In this process, for all tests of the calling file. */
export const wiredRegion = async (prefix: string, publicPool: string): Promise<WiredRegion> => {
  await destroyNetworks(prefix);
  const onError = (error: unknown) => process.stderr.write(`network: ${String(error)}\n`);
  const networks = await openNetnsNetworks({ prefix, publicPool, links: "veth", onError });
  const settings = settle(undefined, { machines: "fake", publicPool }, () => publicPool);
  const credentials = newCredentials();
  const api = await serveFakeRegion({
    settings,
    credentials,
    sealingKey: randomBytes(32),
    parts: loadApiParts(),
    port: 0,
    openStore: async () => openMemoryStore(),
    networks,
    resettable: false,
    log: (line) => process.stderr.write(`${line}\n`),
  });
  const endpoint = `http://127.0.0.1:${api.port}`;
  const client = new EC2Client({ endpoint, region: settings.region, credentials });
  after(async () => {
    client.destroy();
    await api.close();
    await networks.close();
    await destroyNetworks(prefix);
  });
  return {
    endpoint,
    client,
    networks,
    imageId: fakeImage(settings.region).id,
    environment: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: settings.region,
      AWS_DEFAULT_REGION: settings.region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
  };
};
