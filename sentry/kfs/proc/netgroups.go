package proc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/net/inet"
	"ringfence/sentry/vfs"
)

// pingGroups is net/ipv4/ping_group_range: the groups whose members may have ping sockets (icmp(7)).
type pingGroups struct{ in *instance }

// Text implements tree.Text.
func (p pingGroups) Text(vfs.Caller) ([]byte, error) {
	g := p.in.k.Inet.PingGroups()
	return fmt.Appendf(nil, "%d\t%d\n", g.Low, g.High), nil
}

// Set implements tree.Setter. As on Linux, a range that ends before it begins is the empty one.
func (p pingGroups) Set(c vfs.Caller, b []byte) error {
	if !c.Creds().Has(linux.CAP_SYS_ADMIN) {
		return errno.EPERM
	}
	g := p.in.k.Inet.PingGroups()
	fields := strings.Fields(strings.TrimRight(string(b), "\x00"))
	if len(fields) == 0 {
		return errno.EINVAL
	}
	const most = 1<<32 - 2 // the last number that is a group's
	for i, at := range []*creds.GID{&g.Low, &g.High} {
		if i >= len(fields) {
			break
		}
		n, err := strconv.ParseUint(fields[i], 10, 64)
		if err != nil || n > most {
			return errno.EINVAL
		}
		*at = creds.GID(n)
	}
	if g.High < g.Low {
		g = inet.PingGroups{Low: 1, High: 0}
	}
	p.in.k.Inet.SetPingGroups(g)
	return nil
}

// groupsOf returns the multicast groups of a family in order, the one of all hosts first.
func groupsOf(in *instance, v6 bool, all string) ([]netip.Addr, map[netip.Addr]int) {
	groups := in.k.Inet.Groups(v6)
	groups[netip.MustParseAddr(all)]++
	var list []netip.Addr
	for a := range groups {
		list = append(list, a)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list, groups
}

func igmp(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	list, users := groupsOf(in, false, "224.0.0.1")
	fmt.Fprintf(b, "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n1\tlo        : %5d      V3\n", len(list))
	for _, a := range slices.Backward(list) {
		ip := a.As4()
		fmt.Fprintf(b, "\t\t\t\t%08X %5d 0:00000000\t\t0\n", binary.LittleEndian.Uint32(ip[:]), users[a])
	}
	return nil
}

func igmp6(in *instance, _ vfs.Caller, b *bytes.Buffer) error {
	list, users := groupsOf(in, true, "ff02::1")
	for _, a := range slices.Backward(list) {
		fmt.Fprintf(b, "1    lo              %032x %5d 00000004 0\n", a.As16(), users[a])
	}
	return nil
}
