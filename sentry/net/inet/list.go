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

// entry is a line of /proc/net/tcp or udp.
type entry struct {
	local, remote netip.AddrPort
	state         byte
	rx            int
	uid           uint32
	inode         uint64
	drops         int
}

// TCPText returns /proc/net/tcp, or tcp6.
func (st *Stack) TCPText(v6 bool) string {
	st.mu.Lock()
	all := make([]*TCP, 0, len(st.tcps))
	for t := range st.tcps {
		all = append(all, t)
	}
	st.mu.Unlock()
	var entries []entry
	for _, t := range all {
		t.mu.Lock()
		if (t.family == linux.AF_INET6) == v6 && t.state != closed {
			e := entry{local: t.local, remote: t.remote, state: t.tcpStateLocked()}
			if t.binding != nil {
				e.uid = uint32(t.binding.uid)
			}
			switch t.state {
			case listening:
				e.rx = len(t.pending)
			case connected:
				e.rx = t.in.length()
			}
			entries = append(entries, e)
			_, entries[len(entries)-1].inode = t.File()
		}
		t.mu.Unlock()
	}
	return table(entries, v6, false)
}

// UDPText returns /proc/net/udp, or udp6, of UDP or UDP-Lite.
func (st *Stack) UDPText(protocol int32, v6 bool) string {
	st.mu.Lock()
	all := make([]*UDP, 0, len(st.udps))
	for u := range st.udps {
		if u.protocol == protocol {
			all = append(all, u)
		}
	}
	st.mu.Unlock()
	var entries []entry
	for _, u := range all {
		u.mu.Lock()
		if (u.family == linux.AF_INET6) == v6 && u.binding != nil {
			e := entry{local: u.local, remote: u.remote, state: linux.TCP_CLOSE, rx: u.used, uid: uint32(u.binding.uid), drops: u.drops}
			if u.remote.IsValid() {
				e.state = linux.TCP_ESTABLISHED
			}
			_, e.inode = u.File()
			entries = append(entries, e)
		}
		u.mu.Unlock()
	}
	return table(entries, v6, true)
}

// RawText returns /proc/net/raw, or raw6.
func (st *Stack) RawText(v6 bool) string {
	var entries []entry
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
	var entries []entry
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

// RawCount returns how many raw sockets of a family there are.
func (st *Stack) RawCount(family int32) int {
	n := 0
	for _, r := range st.allRaws() {
		if r.family == family {
			n++
		}
	}
	return n
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

// Count returns how many sockets there are, for /proc/net/sockstat.
func (st *Stack) Count() (tcp, udp int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return len(st.tcps), len(st.udps)
}

func table(entries []entry, v6, udp bool) string {
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.local.Port(), b.local.Port()), cmp.Compare(a.inode, b.inode))
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
			i, hexAddr(e.local, v6), hexAddr(e.remote, v6), e.state, 0, e.rx, e.uid, e.inode)
		if udp {
			line += fmt.Sprintf(" %d", e.drops)
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
