import assert from "node:assert/strict";
import { test } from "node:test";
import { servedEndpoints } from "./guest/aws-names.ts";
import { loadApiParts } from "./region-api.ts";

test("guests are led to every service that is served, even where the real AWS is let in", () => {
  const served = Object.values(loadApiParts().wires).map(({ signingName }) => signingName);
  assert.deepEqual(served.toSorted(), servedEndpoints.toSorted());
});
