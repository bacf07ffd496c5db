/**
 * What other programs load on a host, as `nft` lists it: the chains that packets of this host pass, with the rules and policies
 * that decide. Those that `iptables` makes are in the tables it has in the kernel.
 */
export const firewalls: Readonly<Record<string, string>> = {
  /** Docker 24: forwards nothing but its own, and publishes a port. */
  docker: `
table ip filter {
  chain DOCKER { ip daddr 172.17.0.2 iifname != "docker0" oifname "docker0" tcp dport 80 accept; }
  chain DOCKER-ISOLATION-STAGE-1 { iifname "docker0" oifname != "docker0" jump DOCKER-ISOLATION-STAGE-2; return; }
  chain DOCKER-ISOLATION-STAGE-2 { oifname "docker0" drop; return; }
  chain DOCKER-USER { return; }
  chain FORWARD {
    type filter hook forward priority filter; policy drop;
    jump DOCKER-USER
    jump DOCKER-ISOLATION-STAGE-1
    oifname "docker0" ct state related,established accept
    oifname "docker0" jump DOCKER
    iifname "docker0" accept
  }
}
table ip nat {
  chain DOCKER { iifname "docker0" return; iifname != "docker0" tcp dport 8080 dnat to 172.17.0.2:80; }
  chain PREROUTING { type nat hook prerouting priority dstnat; policy accept; fib daddr type local jump DOCKER; }
  chain OUTPUT { type nat hook output priority -100; policy accept; ip daddr != 127.0.0.0/8 fib daddr type local jump DOCKER; }
  chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; oifname != "docker0" ip saddr 172.17.0.0/16 masquerade; }
}`,
  /** ufw 0.36 with its defaults: incoming and forwarded packets are dropped, but for ssh and answers. */
  ufw: `
table ip filter {
  chain ufw-before-input {
    iifname "lo" accept
    ct state related,established accept
    ct state invalid drop
    icmp type { destination-unreachable, time-exceeded, parameter-problem, echo-request } accept
    udp sport 67 udp dport 68 accept
    jump ufw-not-local
    ip daddr 224.0.0.251 udp dport 5353 accept
    jump ufw-user-input
  }
  chain ufw-not-local { fib daddr type local return; fib daddr type multicast return; fib daddr type broadcast return; drop; }
  chain ufw-user-input { tcp dport 22 accept; }
  chain ufw-before-output { oifname "lo" accept; ct state related,established accept; }
  chain ufw-track-output { meta l4proto { tcp, udp } ct state new accept; }
  chain INPUT { type filter hook input priority filter; policy drop; jump ufw-before-input; }
  chain FORWARD { type filter hook forward priority filter; policy drop; ct state related,established accept; }
  chain OUTPUT { type filter hook output priority filter; policy accept; jump ufw-before-output; jump ufw-track-output; }
}`,
  /** firewalld 1.3, zone public for every link: packets from outside that belong to nothing are rejected. */
  firewalld: `
table inet firewalld {
  chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept; }
  chain nat_POSTROUTING { type nat hook postrouting priority srcnat + 10; policy accept; }
  chain filter_INPUT {
    type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_IN_public
    reject with icmpx admin-prohibited
  }
  chain filter_IN_public { tcp dport 22 accept; meta l4proto { icmp, ipv6-icmp } accept; }
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    reject with icmpx admin-prohibited
  }
  chain filter_OUTPUT {
    type filter hook output priority filter + 10; policy accept;
    ct state { established, related } accept
    oifname "lo" accept
  }
}`,
  /** libvirt's default network. */
  libvirt: `
table ip filter {
  chain LIBVIRT_INP { iifname "virbr0" udp dport { 53, 67 } accept; iifname "virbr0" tcp dport { 53, 67 } accept; }
  chain LIBVIRT_FWI { oifname "virbr0" ip daddr 192.168.122.0/24 ct state related,established accept; oifname "virbr0" reject; }
  chain LIBVIRT_FWO { iifname "virbr0" ip saddr 192.168.122.0/24 accept; iifname "virbr0" reject; }
  chain INPUT { type filter hook input priority filter; policy accept; jump LIBVIRT_INP; }
  chain FORWARD { type filter hook forward priority filter; policy accept; jump LIBVIRT_FWI; jump LIBVIRT_FWO; }
}
table ip nat {
  chain LIBVIRT_PRT {
    ip saddr 192.168.122.0/24 ip daddr 224.0.0.0/24 return
    ip saddr 192.168.122.0/24 ip daddr != 192.168.122.0/24 meta l4proto { tcp, udp } masquerade to :1024-65535
    ip saddr 192.168.122.0/24 ip daddr != 192.168.122.0/24 masquerade
  }
  chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; jump LIBVIRT_PRT; }
}`,
  /** NetworkManager sharing a link's connection. */
  NetworkManager: `
table ip nm-shared-wlan0 {
  chain nat_postrouting { type nat hook postrouting priority srcnat; policy accept; ip saddr 10.42.0.0/24 ip daddr != 10.42.0.0/24 masquerade; }
  chain filter_forward {
    type filter hook forward priority filter; policy accept;
    ip daddr 10.42.0.0/24 oifname "wlan0" ct state { established, related } accept
    ip saddr 10.42.0.0/24 iifname "wlan0" accept
    iifname "wlan0" oifname "wlan0" accept
    iifname "wlan0" reject
    oifname "wlan0" reject
  }
}`,
};
