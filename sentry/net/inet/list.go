package inet

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
)

// tcpStates describes the TCP sockets that have a port. Those whose State is TCP_CLOSE are bound and no more.
func (st *Stack) tcpStates() []socket.InetState {
	st.mu.Lock()
	all := make([]*TCP, 0, len(st.tcps))
	for t := range st.tcps {
		all = append(all, t)
	}
	st.mu.Unlock()
	var states []socket.InetState
	for _, t := range all {
		t.mu.Lock()
		if t.binding != nil {
			e := socket.InetState{
				Local: t.local, Remote: t.remote, State: t.tcpStateLocked(), AutoPort: !t.bound, UID: t.binding.uid,
				Shut: t.shut, Info: t.infoLocked(), Congestion: t.opts.congestionControl(),
			}
			switch t.state {
			case closed:
				e.Remote = netip.AddrPort{}
			case listening:
				e.Recv, e.Send = len(t.pending), t.backlog
			case connected:
				e.Recv = t.in.length()
				if _, fin, _ := t.in.state(); fin {
					e.Shut |= shutRecv
				}
			}
			t.opts.describe(&e, t.family, true)
			describe(&e, &t.Base)
			states = append(states, e)
		}
		t.mu.Unlock()
	}
	return states
}

// udpStates describes the sockets of UDP, or of UDP-Lite, that have a port.
func (st *Stack) udpStates(protocol int32) []socket.InetState {
	st.mu.Lock()
	all := make([]*UDP, 0, len(st.udps))
	for u := range st.udps {
		if u.protocol == protocol {
			all = append(all, u)
		}
	}
	st.mu.Unlock()
	var states []socket.InetState
	for _, u := range all {
		u.mu.Lock()
		if u.binding != nil {
			e := socket.InetState{
				Local: u.local, Remote: u.remote, State: linux.TCP_CLOSE, AutoPort: !u.bound, UID: u.binding.uid,
				Recv: u.used, Drops: u.drops, Shut: u.shut,
			}
			if u.remote.IsValid() {
				e.State = linux.TCP_ESTABLISHED
			}
			u.opts.describe(&e, u.family, false)
			describe(&e, &u.Base)
			states = append(states, e)
		}
		u.mu.Unlock()
	}
	return states
}

// States describes the sockets of a protocol that have a port; ok is false if sock_diag does not know the protocol.
func (st *Stack) States(protocol int32) (states []socket.InetState, ok bool) {
	switch protocol {
	case linux.IPPROTO_TCP:
		return st.tcpStates(), true
	case linux.IPPROTO_UDP, linux.IPPROTO_UDPLITE:
		return st.udpStates(protocol), true
	}
	return nil, false
}

// describe adds what every socket has.
func describe(e *socket.InetState, b *socket.Base) {
	e.Options = b.Options()
	_, e.Inode = b.File()
	if e.Options.Device != "" {
		e.Index = socket.LoopbackIndex
	}
}

// describe adds what the options tell.
func (o *options) describe(e *socket.InetState, family int32, tcp bool) {
	e.Family = uint8(family)
	e.V6Only = o.v6only
	e.TOS = uint8(o.value(linux.SOL_IP, linux.IP_TOS))
	e.TClass = uint8(max(0, o.value(linux.SOL_IPV6, linux.IPV6_TCLASS)))
	// The bits of struct inet_diag_sockopt (inet_diag.h).
	for i, on := range [...]bool{
		o.recvErr4, tcp, o.value(linux.SOL_IP, linux.IP_FREEBIND) != 0, false,
		o.value(linux.SOL_IP, linux.IP_MULTICAST_LOOP) != 0, o.value(linux.SOL_IP, linux.IP_TRANSPARENT) != 0,
		o.value(linux.SOL_IP, linux.IP_MULTICAST_ALL) != 0, false,
		o.value(linux.SOL_IP, linux.IP_BIND_ADDRESS_NO_PORT) != 0,
	} {
		if on {
			e.Switches |= 1 << i
		}
	}
}

// TCPText returns /proc/net/tcp, or tcp6.
func (st *Stack) TCPText(v6 bool) string {
	return table(slices.DeleteFunc(st.tcpStates(), func(e socket.InetState) bool {
		return (e.Family == linux.AF_INET6) != v6 || e.State == linux.TCP_CLOSE
	}), v6, false)
}

// UDPText returns /proc/net/udp, or udp6, of UDP or UDP-Lite.
func (st *Stack) UDPText(protocol int32, v6 bool) string {
	return table(slices.DeleteFunc(st.udpStates(protocol), func(e socket.InetState) bool {
		return (e.Family == linux.AF_INET6) != v6
	}), v6, true)
}

// RawText returns /proc/net/raw, or raw6.
func (st *Stack) RawText(v6 bool) string {
	var entries []socket.InetState
	for _, r := range st.allRaws() {
		if (r.family == linux.AF_INET6) == v6 {
			entries = append(entries, r.entry())
		}
	}
	text := table(entries, v6, true)
	if !v6 {
		// The title is not indented as that of udp.
		_, lines, _ := strings.Cut(text, "\n")
		text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n" + lines
	}
	return text
}

func (st *Stack) allRaws() []*Raw {
	st.mu.Lock()
	defer st.mu.Unlock()
	var all []*Raw
	for _, l := range st.raws {
		all = append(all, l...)
	}
	return all
}

// PingText returns /proc/net/icmp, or icmp6: the ping sockets.
func (st *Stack) PingText(v6 bool) string {
	st.mu.Lock()
	var all []*Ping
	for _, l := range st.pings {
		all = append(all, l...)
	}
	st.mu.Unlock()
	var entries []socket.InetState
	for _, p := range all {
		if (p.family == linux.AF_INET6) == v6 {
			entries = append(entries, p.entry())
		}
	}
	return table(entries, v6, true)
}

// PacketText returns /proc/net/packet.
func (st *Stack) PacketText() string {
	st.mu.Lock()
	all := st.frames
	st.mu.Unlock()
	var out strings.Builder
	out.WriteString("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n")
	for _, f := range all {
		_, inode := f.File()
		f.mu.Lock()
		index, running := 0, 0
		if f.toLo {
			index = socket.LoopbackIndex
		}
		if f.ether != 0 {
			running = 1
		}
		fmt.Fprintf(&out, "0000000000000000 %-6d %-4d %04x   %-5d %1d %-6d %-6d %-6d\n", 3, f.typ, f.ether, index, running, f.used, f.uid, inode)
		f.mu.Unlock()
	}
	return out.String()
}

// Groups returns the multicast groups of one family that sockets are in, and how many are.
func (st *Stack) Groups(v6 bool) map[netip.Addr]int {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := make(map[netip.Addr]int)
	for a, n := range st.groups {
		if a.Is6() == v6 {
			out[a] = n
		}
	}
	return out
}

// Counts are how many sockets of a family there are that have a port, for /proc/net/sockstat. AllTCP counts those of
// both families, and those without a port.
type Counts struct{ TCP, AllTCP, UDP, UDPLite, Raw int }

// Count returns the Counts of a family.
func (st *Stack) Count(family int32) Counts {
	of := func(states []socket.InetState) (n int) {
		for i := range states {
			if int32(states[i].Family) == family && (states[i].Info == nil || states[i].State != linux.TCP_CLOSE) {
				n++
			}
		}
		return n
	}
	c := Counts{TCP: of(st.tcpStates()), UDP: of(st.udpStates(linux.IPPROTO_UDP)), UDPLite: of(st.udpStates(linux.IPPROTO_UDPLITE))}
	for _, r := range st.allRaws() {
		if r.family == family {
			c.Raw++
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	c.AllTCP = len(st.tcps)
	return c
}

func table(entries []socket.InetState, v6, udp bool) string {
	slices.SortFunc(entries, func(a, b socket.InetState) int {
		return cmp.Or(cmp.Compare(a.Local.Port(), b.Local.Port()), cmp.Compare(a.Inode, b.Inode))
	})
	var out strings.Builder
	switch {
	case udp && v6:
		out.WriteString("  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n")
	case udp:
		out.WriteString("   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             \n")
	case v6:
		out.WriteString("  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	default:
		out.WriteString("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n")
	}
	for i, e := range entries {
		line := fmt.Sprintf("%4d: %s %s %02X %08X:%08X 00:00000000 00000000 %5d        0 %d 1 0000000000000000",
			i, hexAddr(e.Local, v6), hexAddr(e.Remote, v6), e.State, 0, e.Recv, e.UID, e.Inode)
		if udp {
			line += fmt.Sprintf(" %d", e.Drops)
		} else {
			line += " 100 0 0 10 0"
		}
		if !v6 && !udp {
			line = fmt.Sprintf("%-149s", line)
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

// hexAddr writes an address in words of the machine's byte order, as Linux prints them.
func hexAddr(a netip.AddrPort, v6 bool) string {
	if !v6 {
		var ip [4]byte
		if a.Addr().Is4() {
			ip = a.Addr().As4()
		}
		return fmt.Sprintf("%08X:%04X", binary.LittleEndian.Uint32(ip[:]), a.Port())
	}
	var ip [16]byte
	if a.Addr().IsValid() && a.Addr() != any4 {
		ip = a.Addr().As16()
	}
	s := ""
	for i := 0; i < 16; i += 4 {
		s += fmt.Sprintf("%08X", binary.LittleEndian.Uint32(ip[i:]))
	}
	return fmt.Sprintf("%s:%04X", s, a.Port())
}
