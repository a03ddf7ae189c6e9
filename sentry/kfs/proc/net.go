package proc

import (
	"bytes"
	"fmt"

	"ringfence/abi/linux"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/vfs"
)

// netDir is /proc/PID/net: the one network that there is.
func (in *instance) netDir() *tree.Static {
	return &tree.Static{Space: "net", Entries: []tree.Entry{
		constant("arp", "IP address       HW type     Flags       HW address            Mask     Device\n"),
		constant("dev", netDev),
		constant("dev_mcast", ""),
		constant("fib_trie", ""),
		constant("if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n"),
		in.file("icmp", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error { return put(b, in.k.Inet.PingText(false)) }),
		in.file("icmp6", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error { return put(b, in.k.Inet.PingText(true)) }),
		in.file("igmp", 0o444, igmp),
		in.file("igmp6", 0o444, igmp6),
		constant("ipv6_route", ""),
		constant("netlink", "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"),
		constant("netstat", "TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed\nTcpExt: 0 0 0\nIpExt: InNoRoutes InTruncatedPkts InMcastPkts\nIpExt: 0 0 0\n"),
		in.file("packet", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error { return put(b, in.k.Inet.PacketText()) }),
		constant("protocols", "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re sp bi br ha uh gp em\n"),
		constant("psched", "000003e8 00000040 000f4240 3b9aca00\n"),
		constant("ptype", "Type Device      Function\n"),
		in.file("raw", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error { return put(b, in.k.Inet.RawText(false)) }),
		in.file("raw6", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error { return put(b, in.k.Inet.RawText(true)) }),
		constant("route", pad("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT", 127)),
		constant("snmp", snmp),
		in.file("sockstat", 0o444, sockstat),
		in.file("sockstat6", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
			return put(b, fmt.Sprintf("TCP6: inuse 0\nUDP6: inuse 0\nUDPLITE6: inuse 0\nRAW6: inuse %d\nFRAG6: inuse 0 memory 0\n", in.k.Inet.RawCount(linux.AF_INET6)))
		}),
		constant("softnet_stat", "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n"),
		in.file("tcp", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error { return put(b, in.k.Inet.TCPText(false)) }),
		in.file("tcp6", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error { return put(b, in.k.Inet.TCPText(true)) }),
		in.file("udp", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
			return put(b, in.k.Inet.UDPText(linux.IPPROTO_UDP, false))
		}),
		in.file("udp6", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
			return put(b, in.k.Inet.UDPText(linux.IPPROTO_UDP, true))
		}),
		in.file("udplite", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
			return put(b, in.k.Inet.UDPText(linux.IPPROTO_UDPLITE, false))
		}),
		in.file("udplite6", 0o444, func(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
			return put(b, in.k.Inet.UDPText(linux.IPPROTO_UDPLITE, true))
		}),
		in.file("unix", 0o444, unixSockets),
		constant("wireless", "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n"),
	}}
}

// pad fills a line with spaces to n bytes, as some of these files have it.
func pad(s string, n int) string {
	for len(s) < n {
		s += " "
	}
	return s + "\n"
}

const netDev = "Inter-|   Receive                                                |  Transmit\n" +
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
	"    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n"

const snmp = "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits\n" +
	"Ip: 2 64 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n" +
	"Icmp: InMsgs InErrors InCsumErrors OutMsgs OutErrors\nIcmp: 0 0 0 0 0\n" +
	"Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n" +
	"Tcp: 1 200 120000 -1 0 0 0 0 0 0 0 0 0 0 0\n" +
	"Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors\n" +
	"Udp: 0 0 0 0 0 0 0 0 0\n"

func unixSockets(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	b.WriteString(in.k.Unix.ProcText(in.k.UnixNS))
	return nil
}

func sockstat(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	tcp, udp := in.k.Inet.Count()
	fmt.Fprintf(b, "sockets: used %d\nTCP: inuse %d orphan 0 tw 0 alloc %d mem 0\nUDP: inuse %d mem 0\nUDPLITE: inuse 0\nRAW: inuse %d\nFRAG: inuse 0 memory 0\n",
		in.k.Unix.Count()+tcp+udp, tcp, tcp, udp, in.k.Inet.RawCount(linux.AF_INET))
	return nil
}

// put adds a text that is at hand.
func put(b *bytes.Buffer, s string) error {
	b.WriteString(s)
	return nil
}

// netSysctls is /proc/sys/net.
func (in *instance) netSysctls() []tree.Entry {
	return []tree.Entry{
		dir("sys/net/core", "core",
			fixed("default_qdisc", "pfifo_fast"),
			knob("optmem_max", 131072, 0, maxInt),
			knob("netdev_max_backlog", 1000, 0, maxInt),
			knob("rmem_default", 212992, 256, maxInt),
			knob("rmem_max", 212992, 256, maxInt),
			knob("somaxconn", 4096, 0, maxInt),
			knob("wmem_default", 212992, 256, maxInt),
			knob("wmem_max", 212992, 256, maxInt),
		),
		dir("sys/net/ipv4", "ipv4",
			knob("ip_default_ttl", 64, 1, 255),
			knob("ip_forward", 0, 0, 1),
			knobs("ip_local_port_range", "32768\t60999"),
			knob("ip_nonlocal_bind", 0, 0, 1),
			knob("ip_unprivileged_port_start", 1024, 0, 65535),
			entryOf("ping_group_range", pingGroups{in}),
			fixed("tcp_allowed_congestion_control", "reno cubic"),
			fixed("tcp_available_congestion_control", "reno cubic"),
			word("tcp_congestion_control", "cubic"),
			knob("tcp_fastopen", 1, 0, maxInt),
			knob("tcp_fin_timeout", 60, 0, maxInt),
			knob("tcp_keepalive_intvl", 75, 1, 32767),
			knob("tcp_keepalive_probes", 9, 1, 127),
			knob("tcp_keepalive_time", 7200, 1, 32767),
			knob("tcp_max_syn_backlog", 1024, 0, maxInt),
			knob("tcp_retries2", 15, 0, 255),
			knobs("tcp_rmem", "4096\t131072\t6291456"),
			knob("tcp_sack", 1, 0, 1),
			knob("tcp_syncookies", 1, 0, 2),
			knob("tcp_timestamps", 1, 0, 2),
			knob("tcp_tw_reuse", 2, 0, 2),
			knob("tcp_window_scaling", 1, 0, 1),
			knobs("tcp_wmem", "4096\t16384\t4194304"),
		),
		dir("sys/net/ipv6", "ipv6",
			dir("sys/net/ipv6/conf", "conf",
				dir("sys/net/ipv6/conf/all", "all", knob("disable_ipv6", 0, 0, 1)),
				dir("sys/net/ipv6/conf/default", "default", knob("disable_ipv6", 0, 0, 1)),
				dir("sys/net/ipv6/conf/lo", "lo", knob("disable_ipv6", 0, 0, 1)),
			),
			knob("bindv6only", 0, 0, 1),
		),
		dir("sys/net/unix", "unix", knob("max_dgram_qlen", 10, 0, maxInt)),
	}
}
