package inet

import (
	"encoding/binary"
	"testing"

	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
)

// FuzzPackets sends what guests may make up, whole packets and what they hold, to a host with every kind of
// socket. It passes if nothing panics, and what raw sockets receive has a header that is right.
func FuzzPackets(f *testing.F) {
	ping := append([]byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}, 8, 0, 0xf7, 0xfc, 0, 1, 0, 2)
	f.Add(ping)
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 8, 58, 64, 23: 1, 39: 1}, 128, 0, 0x7f, 0xb9, 0, 1, 0, 2))
	f.Add([]byte{0x45, 0, 0, 20, 0, 1, 0, 0, 64, 200, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1})
	f.Add([]byte{0x46, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1})
	f.Add([]byte{0, 7, 0x13, 0x88, 0, 9, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		o := newOurs(portNames{linux.AF_INET, 20000})
		var all []socket.Socket
		open := func(family, typ, protocol int32) socket.Socket {
			s, err := o.st.New(o.c, family, typ, protocol)
			if err != nil {
				t.Fatal(family, typ, protocol, err)
			}
			all = append(all, s)
			return s
		}
		for _, proto := range []int32{linux.IPPROTO_ICMP, linux.IPPROTO_UDP, linux.IPPROTO_TCP, linux.IPPROTO_ICMPV6, linux.IPPROTO_RAW, 200} {
			open(linux.AF_INET, linux.SOCK_RAW, proto)
			open(linux.AF_INET6, linux.SOCK_RAW, proto)
		}
		open(linux.AF_INET, linux.SOCK_DGRAM, linux.IPPROTO_ICMP)
		open(linux.AF_INET6, linux.SOCK_DGRAM, linux.IPPROTO_ICMPV6)
		for _, typ := range []int32{linux.SOCK_RAW, linux.SOCK_DGRAM} {
			s, err := o.st.NewFrames(o.c, typ, int32(swap(linux.ETH_P_ALL)))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		udp := open(linux.AF_INET, linux.SOCK_DGRAM, 0)
		udp.Bind(o.c, o.addr(0))
		lo6 := make([]byte, sizeInet6)
		binary.LittleEndian.PutUint16(lo6, linux.AF_INET6)
		lo6[23] = 1
		for _, s := range all {
			name := o.addr(0)
			switch family, _, _ := s.Kind(); family {
			case linux.AF_INET6:
				name = lo6
			case linux.AF_PACKET:
				name = llName(linux.ETH_P_IPV6, 0, nil)
			}
			src := usermem.FromBytes(append([]byte(nil), b...))
			s.Send(o.c, &src, &socket.Message{Name: name, Flags: linux.MSG_DONTWAIT})
		}
		buf := make([]byte, maxPacket)
		for _, s := range all {
			for {
				dst := usermem.FromBytes(buf)
				n, err := s.Recv(o.c, &dst, &socket.Message{Flags: linux.MSG_DONTWAIT})
				if err != nil {
					break
				}
				family, typ, _ := s.Kind()
				if p := buf[:n]; family == linux.AF_INET && typ == linux.SOCK_RAW {
					if _, ok := parseHeader(p); !ok || int(binary.BigEndian.Uint16(p[2:])) != n {
						t.Fatalf("received % x", p)
					}
				}
			}
			s.Close()
		}
		if st := o.st; st.taps.Load() != 0 || len(st.raws) != 0 || len(st.frames) != 0 || len(st.pings) != 0 {
			t.Fatal("something is left of closed sockets")
		}
	})
}
