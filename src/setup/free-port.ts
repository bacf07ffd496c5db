import { createServer } from "node:net";

/** Why nothing could listen there now; undefined when something could. */
export const portTrouble = (port: number, address: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.on("error", (error) => resolve(error.message));
    probe.listen(port, address, () => probe.close(() => resolve(undefined)));
  });
