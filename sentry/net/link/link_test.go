package link

import (
	"net/netip"
	"slices"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

func address(s string) Address {
	p := netip.MustParsePrefix(s)
	return Address{Prefix: p, Peer: p, Flags: linux.IFA_F_PERMANENT}
}

func up(t *testing.T, b *Table, on bool) {
	t.Helper()
	flags := uint32(0)
	if on {
		flags = linux.IFF_UP
	}
	if err := b.SetFlags(Loopback, flags, linux.IFF_UP); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	b := NewTable()
	find := func(ip string, want Type, src string) {
		t.Helper()
		typ, s := b.State().Find(netip.MustParseAddr(ip))
		if typ != want || s.IsValid() != (src != "") || src != "" && s != netip.MustParseAddr(src) {
			t.Errorf("%s: %d from %v, want %d from %s", ip, typ, s, want, src)
		}
	}
	find("127.0.0.1", Foreign, "")
	find("::1", Foreign, "")
	up(t, b, true)
	for _, a := range []string{"10.1.2.3/8", "10.1.2.4/8", "10.9.0.1/16", "192.168.7.1/32", "fd00::1/64"} {
		if err := b.Add(Loopback, address(a)); err != nil {
			t.Fatal(a, err)
		}
	}
	find("127.0.0.1", Local, "127.0.0.1")
	find("127.3.2.1", Local, "127.0.0.1")
	find("127.255.255.255", Broadcast, "127.0.0.1")
	find("10.7.7.7", Local, "10.1.2.3")
	find("10.1.2.4", Local, "10.1.2.3") // secondary: its network's first one speaks
	find("10.9.9.9", Local, "10.9.0.1") // the longer prefix
	find("10.255.255.255", Broadcast, "10.1.2.3")
	find("192.168.7.1", Local, "192.168.7.1")
	find("192.168.7.2", Foreign, "")
	find("::1", Local, "::1")
	find("fd00::1", Local, "fd00::1")
	find("fd00::2", Foreign, "")
	up(t, b, false)
	find("10.7.7.7", Local, "10.1.2.3")
	find("10.255.255.255", Local, "10.1.2.3")
	if err := b.Add(Loopback, address("11.1.2.3/8")); err != nil {
		t.Fatal(err)
	}
	find("11.1.2.3", Local, "11.1.2.3")
	find("11.1.2.4", Foreign, "")
	up(t, b, true)
	find("11.1.2.4", Local, "11.1.2.3")
	find("10.7.7.7", Local, "10.1.2.3")
	find("fd00::1", Foreign, "") // gone with the link
}

func TestAddRemove(t *testing.T) {
	b := NewTable()
	up(t, b, true)
	if err := b.Add(Loopback, address("127.0.0.1/8")); err != errno.EEXIST {
		t.Errorf("twice: %v", err)
	}
	if err := b.Add(7, address("10.0.0.1/8")); err != errno.ENODEV {
		t.Errorf("no such link: %v", err)
	}
	for _, a := range []string{"10.0.0.1/8", "10.0.0.2/8", "10.0.0.3/24", "fd00::1/64"} {
		if err := b.Add(Loopback, address(a)); err != nil {
			t.Fatal(err)
		}
	}
	has := func(want ...string) {
		t.Helper()
		var got []string
		for _, a := range b.State().ByIndex(Loopback).Addrs {
			got = append(got, a.Prefix.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	has("127.0.0.1/8", "10.0.0.1/8", "10.0.0.2/8", "10.0.0.3/24", "fd00::1/64", "::1/128")
	if err := b.Remove(Loopback, netip.MustParsePrefix("10.0.0.1/16")); err != errno.EADDRNOTAVAIL {
		t.Errorf("another prefix: %v", err)
	}
	if err := b.Remove(Loopback, netip.MustParsePrefix("10.0.0.1/8")); err != nil {
		t.Fatal(err)
	}
	has("127.0.0.1/8", "10.0.0.3/24", "fd00::1/64", "::1/128") // the secondary one went along
}

func TestLast(t *testing.T) {
	for p, want := range map[string]string{
		"10.1.255.7/8": "10.255.255.255", "10.1.255.7/20": "10.1.255.255", "10.1.255.7/32": "10.1.255.7", "0.0.0.0/0": "255.255.255.255",
	} {
		if got := Last(netip.MustParsePrefix(p)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %v, want %s", p, got, want)
		}
	}
}
