package netlink

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// ProcText returns /proc/net/netlink: the sockets that have a port, by protocol.
func (n *Network) ProcText() string {
	n.mu.Lock()
	all := make([]*Socket, 0, len(n.ports))
	for _, s := range n.ports {
		all = append(all, s)
	}
	n.mu.Unlock()
	type line struct {
		protocol     int32
		port, groups uint32
		used         int
		dumps        int
		inode        uint64
	}
	lines := make([]line, len(all))
	for i, s := range all {
		_, inode := s.File()
		s.mu.Lock()
		lines[i] = line{s.protocol, s.port, uint32(s.groups), s.bytes, min(len(s.later), 1), inode}
		s.mu.Unlock()
	}
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.port, b.port))
	})
	var out strings.Builder
	out.WriteString("sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n")
	for _, l := range lines {
		fmt.Fprintf(&out, "%016x %-3d %-10d %08x %-8d %-8d %-5d %-8d %-8d %-8d\n", 0, l.protocol, l.port, l.groups, l.used, 0, l.dumps, 2, 0, l.inode)
	}
	return out.String()
}
