package netlink

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/net/link"
	"ringfence/sentry/net/socket"
)

func dump(kind uint16, family uint8) *request {
	b := make([]byte, headerSize+infoSize)
	h := linux.NlMsghdr{Len: uint32(len(b)), Type: kind, Flags: linux.NLM_F_REQUEST | linux.NLM_F_DUMP, Seq: 7}
	h.MarshalBytes(b)
	b[headerSize] = family
	q, _, ok := next(b)
	if !ok {
		panic("a request that is none")
	}
	return &q
}

// network returns a network whose loopback is up.
func network() *Network {
	n := socket.NewNet(&creds.UserNamespace{}, 1)
	w := NewNetwork(n, Sockets{})
	if err := n.Links.SetFlags(link.Loopback, linux.IFF_UP, linux.IFF_UP); err != nil {
		panic(err)
	}
	return w
}

// TestDumpsParse reads our replies with the parser that Go uses for the host's.
func TestDumpsParse(t *testing.T) {
	n := network()
	for _, tc := range []struct {
		name     string
		kind     uint16
		family   uint8
		messages int
	}{
		{"links", linux.RTM_GETLINK, linux.AF_UNSPEC, 1},
		{"addresses", linux.RTM_GETADDR, linux.AF_UNSPEC, 2},
		{"addresses of one family", linux.RTM_GETADDR, linux.AF_INET6, 1},
		{"routes", linux.RTM_GETROUTE, linux.AF_UNSPEC, 4},
		{"neighbours", linux.RTM_GETNEIGH, linux.AF_UNSPEC, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			replies, err := n.route(dump(tc.kind, tc.family), 42, false)
			if err != nil {
				t.Fatal(err)
			}
			all, err := syscall.ParseNetlinkMessage(bytes.Join(replies, nil))
			if err != nil {
				t.Fatal(err)
			}
			if len(all) != tc.messages+1 || all[tc.messages].Header.Type != linux.NLMSG_DONE {
				t.Fatalf("%d messages: %+v", len(all), all)
			}
			for _, m := range all {
				if m.Header.Seq != 7 || m.Header.Pid != 42 || m.Header.Flags&linux.NLM_F_MULTI == 0 {
					t.Errorf("%+v", m.Header)
				}
				if m.Header.Type == linux.NLMSG_DONE || m.Header.Type == linux.RTM_NEWROUTE {
					continue
				}
				attrs, err := syscall.ParseNetlinkRouteAttr(&m)
				if err != nil || len(attrs) == 0 {
					t.Errorf("%v %v", attrs, err)
				}
				for _, a := range attrs {
					if m.Header.Type == linux.RTM_NEWADDR && a.Attr.Type == linux.IFA_ADDRESS && !net.IP(a.Value).IsLoopback() {
						t.Errorf("address %v", a.Value)
					}
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	n := network()
	ask := func(kind, flags uint16, info linux.IfInfoMsg) *request {
		q := dump(kind, 0)
		q.Flags = linux.NLM_F_REQUEST | flags
		info.MarshalBytes(q.body)
		return q
	}
	for _, tc := range []struct {
		name  string
		q     *request
		admin bool
		want  error
	}{
		{"change by a user", ask(linux.RTM_NEWLINK, 0, linux.IfInfoMsg{Index: 1}), false, errno.EPERM},
		{"set lo up", ask(linux.RTM_NEWLINK, 0, linux.IfInfoMsg{Index: 1, Flags: 1, Change: 1}), true, nil},
		{"set lo down", ask(linux.RTM_NEWLINK, 0, linux.IfInfoMsg{Index: 1, Change: 1}), true, nil},
		{"make a link that is there", ask(linux.RTM_NEWLINK, linux.NLM_F_CREATE|linux.NLM_F_EXCL, linux.IfInfoMsg{Index: 1}), true, errno.EEXIST},
		{"no such link", ask(linux.RTM_GETLINK, 0, linux.IfInfoMsg{Index: 9}), true, errno.ENODEV},
		{"a link", ask(linux.RTM_GETLINK, 0, linux.IfInfoMsg{Index: 1}), true, nil},
		{"new route", ask(linux.RTM_NEWROUTE, 0, linux.IfInfoMsg{}), true, errno.EOPNOTSUPP},
		{"unknown type", ask(1000, 0, linux.IfInfoMsg{}), true, errno.EOPNOTSUPP},
	} {
		if _, err := n.route(tc.q, 1, tc.admin); err != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

func FuzzRequests(f *testing.F) {
	f.Add(dump(linux.RTM_GETLINK, 0).raw)
	f.Add(binary.LittleEndian.AppendUint32(nil, 16))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := network().New(linux.SOCK_RAW, linux.NETLINK_ROUTE)
		if err != nil {
			t.Fatal(err)
		}
		s.serve(b, asker{admin: true})
		for _, r := range s.queue {
			if _, err := syscall.ParseNetlinkMessage(r.b); err != nil {
				t.Errorf("%x: reply %x: %v", b, r.b, err)
			}
		}
	})
}

// diagnosed is a network of one listener and one unix socket.
func diagnosed() *Network {
	w := network()
	w.sockets = Sockets{
		Inet: func(int32) ([]socket.InetState, bool) {
			return []socket.InetState{{Family: linux.AF_INET, State: linux.TCP_LISTEN, Local: netip.MustParseAddrPort("127.0.0.1:80")}}, true
		},
		Unix: func() []socket.UnixState {
			return []socket.UnixState{{State: linux.TCP_CLOSE, Inode: 7, Name: []byte("\x00x")}}
		},
	}
	return w
}

// diagRequest is a request for all sockets of a family, with a program.
func diagRequest(family uint8, program []byte) []byte {
	body := make([]byte, inetRequestSize)
	body[0], body[1] = family, linux.IPPROTO_TCP
	binary.LittleEndian.PutUint32(body[4:], ^uint32(0))
	r := reply{}
	r.begin(sockDiagByFamily, linux.NLM_F_REQUEST|linux.NLM_F_DUMP, body)
	if program != nil {
		r.attr(inetDiagReqBytecode, program)
	}
	r.end()
	return r.b
}

func FuzzDiagnoses(f *testing.F) {
	f.Add(diagRequest(linux.AF_INET, nil))
	f.Add(diagRequest(linux.AF_INET, []byte{bcLocalPort, 8, 12, 0, 0, 0, 80, 0, bcJmp, 4, 8, 0}))
	f.Add(diagRequest(linux.AF_INET6, []byte{bcLocal, 16, 20, 0, linux.AF_INET, 8, 0, 0, 255, 255, 255, 255, 127, 0, 0, 1}))
	f.Add(diagRequest(linux.AF_UNIX, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := diagnosed().New(linux.SOCK_RAW, linux.NETLINK_SOCK_DIAG)
		if err != nil {
			t.Fatal(err)
		}
		s.serve(b, asker{admin: true, ns: &creds.UserNamespace{}})
		for _, r := range s.queue {
			if _, err := syscall.ParseNetlinkMessage(r.b); err != nil {
				t.Errorf("%x: reply %x: %v", b, r.b, err)
			}
		}
	})
}

// FuzzPrograms holds that a program that passes the check ends, within its bytes.
func FuzzPrograms(f *testing.F) {
	f.Add([]byte{bcLocalPort, 8, 12, 0, 0, 0, 80, 0, bcJmp, 4, 8, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := bytecode(b)
		if p.check(true) == nil {
			p.matches(&socket.InetState{Family: linux.AF_INET6, Local: netip.MustParseAddrPort("[::1]:80")})
		}
	})
}
