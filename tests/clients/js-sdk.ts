import { isServed } from "./coverage.ts";

type Patience = {
  client: object;
  maxWaitTime: number;
  minDelay: number;
  maxDelay: number;
  abortSignal: AbortSignal;
};
type Waiter = (patience: Patience, input: object) => Promise<unknown>;
type Paginator = (...parameters: unknown[]) => AsyncIterable<unknown>;

/** A module of the SDK, as it is, but noting in `used` each paginator that comes to its end and each waiter that sees what it waits for. */
export const noting = <Module extends object>(service: string, module: Module, used: Set<string>): Module =>
  Object.fromEntries(
    Object.entries(module).map(([name, value]) => {
      const [, kind, what = ""] = /^(paginate|waitUntil)(\w+)$/.exec(name) ?? [];
      if (kind === "paginate") return [name, notingEnd(value, () => used.add(`${service}:paginate ${what}`))];
      if (kind === "waitUntil")
        return [
          name,
          async (...parameters: Parameters<Waiter>) => {
            const seen = await (value as Waiter)(...parameters);
            used.add(`${service}:wait ${what}`);
            return seen;
          },
        ];
      return [name, value];
    }),
  ) as Module;

const notingEnd = (paginator: Paginator, ended: () => void): Paginator =>
  async function* (...parameters) {
    yield* paginator(...parameters);
    ended();
  };

/** The paginators and waiters of a module of the SDK for operations that Croft serves. */
export async function offeredBy(service: string, module: object): Promise<string[]> {
  const offered = await Promise.all(
    Object.entries(module).map(async ([name, value]) => {
      const [, kind, what = ""] = /^(paginate|waitUntil)(\w+)$/.exec(name) ?? [];
      if (kind === "paginate") return isServed(service, what) ? [`${service}:paginate ${what}`] : [];
      if (kind === "waitUntil")
        return isServed(service, await askedBy(value)) ? [`${service}:wait ${what}`] : [];
      return [];
    }),
  );
  return offered.flat();
}

/** The operation by which a waiter looks: it is had look once. */
async function askedBy(waiter: Waiter): Promise<string> {
  let asked = "";
  const looked = new AbortController();
  const client = {
    async send(command: object) {
      asked = command.constructor.name.replace(/Command$/, "");
      looked.abort();
      throw new Error("looked");
    },
  };
  const patience = { client, maxWaitTime: 3, minDelay: 1, maxDelay: 2, abortSignal: looked.signal };
  await waiter(patience, {}).catch(() => {});
  return asked;
}
