#!/bin/sh
# room.sh RULE COMMAND...
# Becomes COMMAND as root in mount and process namespaces of its own, able to start programs of another architecture by RULE, a
# line of the kernel's binfmt_misc. The rule is made in a user namespace that has all of this host's ids: since Linux 6.7 such
# a one has rules of its own, and no other process of this host sees anything of them.
set -eu
rule=$1
shift

# Only from outside can a namespace be given ids that are not the caller's.
me=$$
outside=$(readlink /proc/$me/ns/user)
{
  until [ "$(readlink /proc/$me/ns/user)" != "$outside" ]; do sleep 0.01; done
  all='0 0 4294967295'
  { echo $all >/proc/$me/uid_map && echo $all >/proc/$me/gid_map; } || kill $me
} &

# Forked by root of the namespace, and not before: a process that becomes root no longer dies with its parent, unless it asks anew.
inside='
  until [ "$(cat /proc/self/gid_map)" ]; do sleep 0.01; done
  exec setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --mount-proc -- sh -ec "$@"'
register='
  mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  printf %s "$1" >/proc/sys/fs/binfmt_misc/register
  shift
  exec "$@"'
exec unshare --user -- sh -ec "$inside" sh "$register" sh "$rule" "$@"
