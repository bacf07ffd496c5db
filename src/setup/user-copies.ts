import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { say } from "#cli/terminal.ts";
import { layout, userFiles } from "#config.ts";
import { actAs } from "#privileges.ts";
import { readCaller, type Caller } from "./caller.ts";
import { readCredentials } from "./credentials.ts";

/**
 * Gives the user who had sudo run this a copy of the access key, 0600, by which `croft env`, `aws` and `ssh` work without root.
 * Comes after `makeCredentials`.
 */
export const copyForCaller = (dataDir: string, caller = readCaller()): void => {
  if (!caller) return;
  const { dir, credentials: file } = userFiles(caller.home, dataDir);
  const text = `${JSON.stringify(readCredentials(dataDir), null, 2)}\n`;
  // Noted first, so that none is forgotten.
  const others = readCopies(dataDir).filter(({ uid }) => uid !== caller.uid);
  writeFileSync(layout(dataDir).userCopies, JSON.stringify([...others, caller], null, 2), { mode: 0o600 });
  try {
    actAs(caller, () => {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      rmSync(`${file}.new`, { force: true });
      writeFileSync(`${file}.new`, text, { mode: 0o600, flag: "wx" });
      renameSync(`${file}.new`, file);
    });
  } catch (error) {
    say(`croft env, aws and ssh need root: the access key could not be copied to ${file} (${String(error)})`);
  }
};

/** No user has anything of the region's left. */
export const removeUserCopies = (dataDir: string): void => {
  for (const user of readCopies(dataDir)) {
    const { dir, credentials, knownHosts } = userFiles(user.home, dataDir);
    try {
      actAs(user, () => {
        for (const file of [credentials, knownHosts, `${knownHosts}.old`]) rmSync(file, { force: true });
        // Unless it holds what another region gave.
        rmdirSync(dir);
      });
    } catch {
      // What is not there, or not empty, may stay.
    }
  }
};

const readCopies = (dataDir: string): readonly Caller[] => {
  const { userCopies } = layout(dataDir);
  return existsSync(userCopies) ? JSON.parse(readFileSync(userCopies, "utf8")) : [];
};
