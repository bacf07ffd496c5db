#!/bin/sh
# jail.sh UID [OUTSIDE INSIDE ro|rw]... -- COMMAND...
# Becomes COMMAND as user UID, who sees a root of nothing but /usr, four or five device nodes and the named files; it is
# read-only but for files named "rw". A directory is shown as it is, with what comes into it later. Run as root in new mount, network, IPC and UTS namespaces; no helper process stays.
# A device OUTSIDE becomes a node of UID's own, since its owner here may be someone UID is not.
set -eu
uid=$1
shift

root=/mnt
mount -t tmpfs -o size=256k,mode=755,nosuid jail $root
cd $root
mkdir usr dev etc proc old
for name in bin sbin lib lib64; do ln -s usr/$name $name; done
mount --bind -o ro,nosuid,nodev /usr usr
cp /etc/ld.so.cache etc/
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9

while [ "$1" != -- ]; do
  mkdir -p ".${2%/*}"
  if [ -c "$1" ]; then
    mknod -m 600 ".$2" c $(stat -c '0x%t 0x%T' "$1")
    chown "$uid" ".$2"
  elif [ -d "$1" ]; then
    mkdir ".$2"
    mount --bind -o "$3",nosuid,nodev,noexec "$1" ".$2"
  else
    : >".$2"
    mount --bind -o "$3",nosuid,nodev,noexec "$1" ".$2"
  fi
  shift 3
done
shift

mount -t proc -o nosuid,nodev,noexec proc proc # only for umount, which reads its own mounts there
pivot_root . old
cd /
umount -l /old
rmdir old
mount -o remount,ro /
umount -l /proc
umask 077
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
