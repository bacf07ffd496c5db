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

const PR_SET_NO_NEW_PRIVS = 38;
