package proc

import (
	"fmt"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/kernel"
	"ringfence/sentry/kfs/tree"
	"ringfence/sentry/net/inet"
	"ringfence/sentry/vfs"
)

// netDir is /proc/PID/net: the network that the task is in.
func (p *task) netDir() *tree.Static {
	file := func(name string, text func(n *kernel.NetNamespace) string) tree.Entry {
		return tree.Entry{Name: name, Make: tree.TextFile{Perm: 0o444, Text: netText{p, text}}}
	}
	sockets := func(name string, text func(st *inet.Stack) string) tree.Entry {
		return file(name, func(n *kernel.NetNamespace) string { return text(n.Inet) })
	}
	return &tree.Static{Space: "net", Entries: []tree.Entry{
		constant("arp", "IP address       HW type     Flags       HW address            Mask     Device\n"),
		constant("dev", netDev),
		constant("dev_mcast", ""),
		constant("fib_trie", ""),
		file("if_inet6", ifInet6),
		sockets("icmp", func(st *inet.Stack) string { return st.PingText(false) }),
		sockets("icmp6", func(st *inet.Stack) string { return st.PingText(true) }),
		file("igmp", igmp),
		sockets("igmp6", igmp6),
		constant("ipv6_route", ""),
		file("netlink", func(n *kernel.NetNamespace) string { return n.Netlink.ProcText() }),
		constant("netstat", "TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed\nTcpExt: 0 0 0\nIpExt: InNoRoutes InTruncatedPkts InMcastPkts\nIpExt: 0 0 0\n"),
		sockets("packet", func(st *inet.Stack) string { return st.PacketText() }),
		constant("protocols", "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re sp bi br ha uh gp em\n"),
		constant("psched", "000003e8 00000040 000f4240 3b9aca00\n"),
		constant("ptype", "Type Device      Function\n"),
		sockets("raw", func(st *inet.Stack) string { return st.RawText(false) }),
		sockets("raw6", func(st *inet.Stack) string { return st.RawText(true) }),
		constant("route", pad("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT", 127)),
		constant("snmp", snmp),
		file("sockstat", sockstat),
		sockets("sockstat6", func(st *inet.Stack) string {
			n := st.Count(linux.AF_INET6)
			return fmt.Sprintf("TCP6: inuse %d\nUDP6: inuse %d\nUDPLITE6: inuse %d\nRAW6: inuse %d\nFRAG6: inuse 0 memory 0\n",
				n.TCP, n.UDP, n.UDPLite, n.Raw)
		}),
		constant("softnet_stat", "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n"),
		sockets("tcp", func(st *inet.Stack) string { return st.TCPText(false) }),
		sockets("tcp6", func(st *inet.Stack) string { return st.TCPText(true) }),
		sockets("udp", func(st *inet.Stack) string { return st.UDPText(linux.IPPROTO_UDP, false) }),
		sockets("udp6", func(st *inet.Stack) string { return st.UDPText(linux.IPPROTO_UDP, true) }),
		sockets("udplite", func(st *inet.Stack) string { return st.UDPText(linux.IPPROTO_UDPLITE, false) }),
		sockets("udplite6", func(st *inet.Stack) string { return st.UDPText(linux.IPPROTO_UDPLITE, true) }),
		file("unix", func(n *kernel.NetNamespace) string { return p.in.k.Unix.ProcText(n.Unix) }),
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

func sockstat(n *kernel.NetNamespace) string {
	c := n.Inet.Count(linux.AF_INET)
	return fmt.Sprintf("sockets: used %d\nTCP: inuse %d orphan 0 tw 0 alloc %d mem 0\nUDP: inuse %d mem 0\nUDPLITE: inuse %d\nRAW: inuse %d\nFRAG: inuse 0 memory 0\n",
		n.Net.Used(), c.TCP, c.AllTCP, c.UDP, c.UDPLite, c.Raw)
}

// ifInet6 is if_inet6: the IPv6 addresses.
func ifInet6(n *kernel.NetNamespace) string {
	var out strings.Builder
	for _, l := range n.Net.Links.State().Links {
		for i := range l.Addrs {
			a := &l.Addrs[i]
			if !a.Addr().Is6() {
				continue
			}
			scope := 0
			switch a.Scope {
			case linux.RT_SCOPE_HOST:
				scope = 0x10
			case linux.RT_SCOPE_LINK:
				scope = 0x20
			}
			fmt.Fprintf(&out, "%032x %02x %02x %02x %02x %8s\n", a.Addr().As16(), l.Index, a.Bits(), scope, uint8(a.Flags), l.Name)
		}
	}
	return out.String()
}

// netText is a file of /proc/PID/net.
type netText struct {
	p    *task
	text func(n *kernel.NetNamespace) string
}

// Text implements tree.Text.
func (f netText) Text(vfs.Caller) ([]byte, error) {
	n := f.p.who().AcquireNamespaces()
	if n == nil {
		return nil, errno.EINVAL
	}
	return []byte(f.text(n.Net)), nil
}
