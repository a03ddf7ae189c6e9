package proc

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ringfence/sentry/kernel"
	"ringfence/sentry/net/inet"
	netlinks "ringfence/sentry/net/link"
)

// groupsOf returns the multicast groups of a family in order, the one of all hosts first.
func groupsOf(st *inet.Stack, v6 bool, all string) ([]netip.Addr, map[netip.Addr]int) {
	groups := st.Groups(v6)
	groups[netip.MustParseAddr(all)]++
	var list []netip.Addr
	for a := range groups {
		list = append(list, a)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list, groups
}

func igmp(n *kernel.NetNamespace) string {
	const title = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"
	if !n.Net.Links.State().ByIndex(netlinks.Loopback).Up() {
		return title
	}
	list, users := groupsOf(n.Inet, false, "224.0.0.1")
	var b strings.Builder
	fmt.Fprintf(&b, "%s1\tlo        : %5d      V3\n", title, len(list))
	for _, a := range slices.Backward(list) {
		ip := a.As4()
		fmt.Fprintf(&b, "\t\t\t\t%08X %5d 0:00000000\t\t0\n", binary.LittleEndian.Uint32(ip[:]), users[a])
	}
	return b.String()
}

func igmp6(st *inet.Stack) string {
	list, users := groupsOf(st, true, "ff02::1")
	var b strings.Builder
	for _, a := range slices.Backward(list) {
		fmt.Fprintf(&b, "1    lo              %032x %5d 00000004 0\n", a.As16(), users[a])
	}
	return b.String()
}
