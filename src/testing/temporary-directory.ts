import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A test, or a file of tests: what is undone after it. */
export interface Undone {
  after(undo: () => unknown): void;
}

/** A directory that is gone after the test. */
export async function temporaryDirectory(t: Undone): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "croft-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
