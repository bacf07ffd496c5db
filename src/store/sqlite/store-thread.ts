import { Worker } from "node:worker_threads";
import { entryFiles } from "#checkout.ts";
import { StoreUnavailable } from "../store.ts";
import type { Backend, BackendVerb } from "./backend.ts";
import type { OpenArgs, ThreadAnswer, ThreadCall } from "./store-thread-main.ts";

export interface StoreThread {
  /** Throws what SQLite or the file system has against it. */
  open(...args: OpenArgs): Promise<Backend>;
  end(): Promise<void>;
}

/** Resolves when the thread's code is loaded: nothing but the store's directory need be readable from then on. */
export async function startStoreThread(): Promise<StoreThread> {
  const worker = new Worker(entryFiles.storeThread);
  const calls = new Map<number, PromiseWithResolvers<unknown>>();
  const loaded = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<Error>();
  let lastId = 0;
  let over: Error | undefined;

  worker.on("message", (answer: ThreadAnswer) => {
    if (answer === "loaded") return loaded.resolve();
    const call = calls.get(answer.id);
    calls.delete(answer.id);
    return "error" in answer ? call?.reject(answer.error) : call?.resolve(answer.value);
  });
  worker.on("error", (error) => {
    over = error instanceof Error ? error : new Error(String(error));
    loaded.reject(over);
    failed.resolve(over);
  });
  worker.on("exit", () => {
    over ??= new Error("its thread has ended");
    for (const call of calls.values()) call.reject(over);
  });

  async function ask(call: ThreadCall): Promise<unknown> {
    if (over) throw over;
    const answer = Promise.withResolvers<unknown>();
    calls.set(call.id, answer);
    worker.postMessage(call);
    return answer.promise;
  }

  function verb<Verb extends BackendVerb>(name: Verb): Backend[Verb] {
    const method = async (...args: never) => {
      try {
        return await ask({ id: ++lastId, verb: name, args });
      } catch (cause) {
        throw new StoreUnavailable(`the store cannot ${name}: ${String(cause)}`, { cause });
      }
    };
    // the thread answers what `Database` answers
    return method as Backend[Verb];
  }

  await loaded.promise;
  return {
    async open(...args) {
      const openedAt = Number(await ask({ id: ++lastId, verb: "open", args }));
      const close = verb("close");
      return {
        openedAt,
        failed: failed.promise,
        apply: verb("apply"),
        get: verb("get"),
        list: verb("list"),
        changesAfter: verb("changesAfter"),
        async close() {
          if (!over) await close();
          await worker.terminate();
        },
      };
    },
    end: async () => void (await worker.terminate()),
  };
}
