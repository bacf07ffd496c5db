import { check, prctl } from "#drivers/linux/libc.ts";

/** Becomes `uid`, for good: without other groups, capabilities or a way to gain any. What is open stays open. */
export function dropPrivileges(uid: number): void {
  const { setgroups, setgid, setuid } = process;
  if (!setgroups || !setgid || !setuid) throw new Error("privileges can be dropped on Linux only");
  setgroups([]);
  setgid(uid);
  setuid(uid);
  check("prctl", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** What `work` does, at once, with the rights of an ordinary user: a link of theirs leads root nowhere. Run as root. */
export function actAs<T>({ uid, gid }: User, work: () => T): T {
  const { getgroups, setgroups, setegid, seteuid } = process;
  if (!getgroups || !setgroups || !setegid || !seteuid) throw new Error("there are no such users here");
  const groups = getgroups();
  setgroups([gid]);
  setegid(gid);
  seteuid(uid);
  try {
    return work();
  } finally {
    seteuid(0);
    setegid(0);
    setgroups(groups);
  }
}

const PR_SET_NO_NEW_PRIVS = 38;
