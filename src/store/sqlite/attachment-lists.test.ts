import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "#testing/temporary-directory.ts";
import { checkTransaction } from "../transaction.ts";
import { openDatabase } from "./database.ts";
import { migrations } from "./migrations.ts";

test("volumes of before format 3 have their attachment in a list, or an empty one, and watchers list again", async (t) => {
  const file = join(await temporaryDirectory(t), "store.sqlite");
  const before = openDatabase(file, 10, { formats: migrations.slice(0, 2) });
  const attachment = { instanceId: "i-1", device: "/dev/xvda", detaching: { force: true } };
  const put = [
    { key: "volume/a/r/vol-1", value: { id: "vol-1", attachment, so: { ready: true } } },
    { key: "volume/a/r/vol-2", value: { id: "vol-2", so: { ready: false } } },
    { key: "network-interface/a/r/eni-1", value: { id: "eni-1", attachment } },
  ];
  const [written = { revision: 0 }] = before.apply([checkTransaction({ put })]);
  assert.ok("revision" in written);
  before.close();
  const after = openDatabase(file, 10);
  t.after(() => after.close());
  assert.deepEqual(
    put.map(({ key }) => JSON.parse(after.get(key) ?? "").value),
    [
      { id: "vol-1", so: { ready: true }, attachments: [attachment] },
      { id: "vol-2", so: { ready: false }, attachments: [] },
      { id: "eni-1", attachment },
    ],
  );
  assert.equal(JSON.parse(after.get("volume/a/r/vol-2") ?? "").revision, written.revision + 2);
});
