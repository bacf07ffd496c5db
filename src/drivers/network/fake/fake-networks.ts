import { checkElement, checkId } from "../element-check.ts";
import type { NetworkDriver, NetworkElement } from "../network-driver.ts";
import { passes } from "../traffic.ts";
import type { Flow } from "../traffic.ts";

/** Networks without packets, for the tests of what stands above. */
export interface FakeNetworks extends NetworkDriver {
  /** What a network was last told to be. */
  elements(networkId: string): ReadonlyMap<string, NetworkElement>;
  /** Whether a network lets a flow begin. */
  passes(networkId: string, flow: Flow): boolean;
  /** Someone else changes a network: it passes nothing until it is applied again. */
  disturb(networkId: string): void;
}

export const createFakeNetworks = (): FakeNetworks => {
  const networks = new Map<
    string,
    { readonly elements: ReadonlyMap<string, NetworkElement>; disturbed: boolean }
  >();
  const listeners: ((networkId: string) => void)[] = [];
  const elements = (networkId: string) =>
    networks.get(networkId)?.elements ?? new Map<string, NetworkElement>();
  return {
    async apply(networkId, desired) {
      checkId(networkId);
      for (const element of desired.values()) checkElement(element);
      if (desired.size === 0) networks.delete(networkId);
      else networks.set(networkId, { elements: new Map(desired), disturbed: false });
    },
    async observe() {
      return new Map([...networks].map(([id, network]) => [id, interfaceIds(network.elements)]));
    },
    port: (networkId, interfaceId) => ({ namespace: `fake-${networkId}`, device: `fake-${interfaceId}` }),
    portErrors: async () => new Map(),
    onForeignChange: (listener) => void listeners.push(listener),
    elements,
    passes: (networkId, flow) =>
      networks.get(networkId)?.disturbed === false &&
      passes(elements(networkId).values(), flow, new Map([...networks].map(([id, it]) => [id, it.elements]))),
    disturb(networkId) {
      const network = networks.get(networkId);
      if (network === undefined) return;
      network.disturbed = true;
      for (const listener of listeners) listener(networkId);
    },
  };
};

const interfaceIds = (elements: ReadonlyMap<string, NetworkElement>): string[] =>
  [...elements.values()].flatMap((element) => (element.kind === "interface" ? [element.id] : []));
