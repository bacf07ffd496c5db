/** Not by `import`: that reads every export of node:http, and `WebSocket` among them loads an HTTP client of 14 MiB. */
export const { createServer: createHttpServer } = process.getBuiltinModule("node:http");
