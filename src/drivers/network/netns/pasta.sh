#!/bin/sh
# pasta.sh UID NAMESPACE COMMAND...
# Becomes COMMAND as user UID, with the one capability it takes to enter NAMESPACE, a file of /run/netns; COMMAND finds that at
# /run/user/0/netns/edge, where Debian's AppArmor profile lets pasta look, and may open /dev/net/tun, whoever's it is here. Run as
# root in a new mount namespace; no helper process stays.
set -eu
uid=$1 namespace=$2
shift 2

tun=$(stat -c '0x%t 0x%T' /dev/net/tun)
mount -n -t tmpfs -o size=64k,mode=755,nosuid jail /mnt
mkdir -p /mnt/user/0/netns
: >/mnt/user/0/netns/edge
mount -n --bind "$namespace" /mnt/user/0/netns/edge
mount -n --move /mnt /run
mount -n -t tmpfs -o size=64k,mode=755,nosuid jail /dev/net
mknod -m 600 /dev/net/tun c $tun
chown "$uid" /dev/net/tun
caps=-all,+sys_admin
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs \
  --inh-caps=$caps --ambient-caps=$caps --bounding-set=$caps "$@"
