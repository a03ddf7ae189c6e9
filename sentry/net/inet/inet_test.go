package inet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

// system is what a test does with sockets, ours or the host's, without blocking. Sockets are slots;
// names are numbers that stand for ports of 127.0.0.1.
type system interface {
	socket(slot int, typ int32)
	bind(slot, name int) error
	listen(slot, backlog int) error
	connect(slot, name int) error // name -1: AF_UNSPEC
	accept(slot, to int) error
	send(slot, n int, first byte, name int) (int, error) // name -1: none
	recv(slot, n int, flags uint32) (data []byte, from string, out uint32, err error)
	shutdown(slot int, how int32) error
	poll(slot int) wait.Mask
	inq(slot int) (int, error)
	getopt(slot int, level, name int32) (int, error)
	setopt(slot int, level, name, v int32) error
	names(slot int) string
	close(slot int)
}

const slots = 60

type caller struct{ *vfstest.Caller }

func (caller) Process() socket.Process { return nil }

// portNames turns the ports of a test into numbers: 0 to 2, or "auto".
type portNames struct {
	family int32
	base   int
}

func (p portNames) addr(name int) []byte {
	b := make([]byte, 16)
	binary.LittleEndian.PutUint16(b, linux.AF_INET)
	binary.BigEndian.PutUint16(b[2:], uint16(p.base+name))
	copy(b[4:], []byte{127, 0, 0, 1})
	if name < 0 {
		b[0] = linux.AF_UNSPEC
	}
	return b
}

func (p portNames) show(b []byte) string {
	if len(b) < 8 {
		return fmt.Sprintf("%x", b)
	}
	port := int(binary.BigEndian.Uint16(b[2:])) - p.base
	name := fmt.Sprint(port)
	if port < 0 || port > 3 {
		name = "auto"
		if port == -p.base {
			name = "none"
		}
	}
	return fmt.Sprintf("%d:%v:%s", b[0], b[4:8], name)
}

type ours struct {
	portNames
	c   caller
	st  *Stack
	sfs *socket.FS
	f   [slots]*vfs.File
}

func newOurs(p portNames) *ours {
	c := caller{vfstest.Root()}
	st := NewStack(testNet(c))
	st.SetPingGroups(EveryGroup)
	return &ours{portNames: p, c: c, st: st, sfs: socket.NewFS(vfs.New())}
}

func (o *ours) s(slot int) socket.Socket { return socket.Of(o.f[slot]) }
func (o *ours) install(slot int, s socket.Socket) {
	o.f[slot] = o.sfs.NewFile(o.c, s, linux.O_NONBLOCK)
}
func (o *ours) socket(slot int, typ int32) {
	s, err := o.st.New(o.c, linux.AF_INET, typ, 0)
	if err != nil {
		panic(err)
	}
	o.install(slot, s)
}
func (o *ours) bind(slot, name int) error { return o.s(slot).Bind(o.c, o.addr(name)) }
func (o *ours) listen(slot, backlog int) error {
	return o.s(slot).Listen(o.c, int32(backlog))
}
func (o *ours) connect(slot, name int) error {
	return o.s(slot).Connect(o.c, o.addr(name), linux.O_NONBLOCK)
}
func (o *ours) accept(slot, to int) error {
	s, err := o.s(slot).Accept(o.c, true)
	if err == nil {
		o.install(to, s)
	}
	return err
}
func (o *ours) send(slot, n int, first byte, name int) (int, error) {
	q := usermem.FromBytes(pattern(n, first))
	m := socket.Message{Flags: linux.MSG_DONTWAIT}
	if name >= 0 {
		m.Name = o.addr(name)
	}
	n, err := o.s(slot).Send(o.c, &q, &m)
	if n > 0 {
		err = nil
	}
	return n, err
}
func (o *ours) recv(slot, n int, flags uint32) ([]byte, string, uint32, error) {
	b := make([]byte, n)
	q := usermem.FromBytes(b)
	m := socket.Message{Flags: flags | linux.MSG_DONTWAIT}
	n, err := o.s(slot).Recv(o.c, &q, &m)
	if n > 0 {
		err = nil
	}
	return b[:min(n, len(b))], o.show(m.Name), m.Out, err
}
func (o *ours) shutdown(slot int, how int32) error { return o.s(slot).Shutdown(how) }
func (o *ours) poll(slot int) wait.Mask            { return o.f[slot].Readiness() }
func (o *ours) inq(slot int) (int, error) {
	var m mem
	_, err := o.s(slot).Ioctl(o.c, &m, linux.SIOCINQ, 0)
	return int(m.v), err
}
func (o *ours) getopt(slot int, level, name int32) (int, error) {
	v, err := o.s(slot).Option(o.c, level, name, 4)
	if err != nil {
		return 0, err
	}
	return int(int32(binary.LittleEndian.Uint32(v))), nil
}
func (o *ours) setopt(slot int, level, name, v int32) error {
	return o.s(slot).SetOption(o.c, level, name, socket.Int(v))
}
func (o *ours) names(slot int) string {
	a, _ := o.s(slot).LocalName()
	b, err := o.s(slot).PeerName()
	return fmt.Sprintf("%s %s %v", o.show(a), o.show(b), err)
}
func (o *ours) close(slot int) { o.f[slot].DecRef() }

func pattern(n int, first byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

type host struct {
	portNames
	fd [slots]int
}

func call(nr uintptr, a ...uintptr) (int, error) {
	var x [6]uintptr
	copy(x[:], a)
	r, _, e := syscall.Syscall6(nr, x[0], x[1], x[2], x[3], x[4], x[5])
	if e != 0 {
		return 0, errno.Errno(e)
	}
	return int(r), nil
}

func ptr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func (h *host) socket(slot int, typ int32) {
	fd, err := call(syscall.SYS_SOCKET, linux.AF_INET, uintptr(typ|linux.SOCK_NONBLOCK), 0)
	if err != nil {
		panic(err)
	}
	h.fd[slot] = fd
}
func (h *host) bind(slot, name int) error {
	a := h.addr(name)
	_, err := call(syscall.SYS_BIND, uintptr(h.fd[slot]), ptr(a), uintptr(len(a)))
	return err
}
func (h *host) listen(slot, backlog int) error {
	_, err := call(syscall.SYS_LISTEN, uintptr(h.fd[slot]), uintptr(backlog))
	return err
}
func (h *host) connect(slot, name int) error {
	a := h.addr(name)
	_, err := call(syscall.SYS_CONNECT, uintptr(h.fd[slot]), ptr(a), uintptr(len(a)))
	return err
}
func (h *host) accept(slot, to int) error {
	fd, err := call(syscall.SYS_ACCEPT4, uintptr(h.fd[slot]), 0, 0, linux.SOCK_NONBLOCK)
	if err == nil {
		h.fd[to] = fd
	}
	return err
}
func (h *host) send(slot, n int, first byte, name int) (int, error) {
	b := pattern(n, first)
	var a []byte
	if name >= 0 {
		a = h.addr(name)
	}
	return call(syscall.SYS_SENDTO, uintptr(h.fd[slot]), ptr(b), uintptr(n), linux.MSG_NOSIGNAL, ptr(a), uintptr(len(a)))
}
func (h *host) recv(slot, n int, flags uint32) ([]byte, string, uint32, error) {
	b, name := make([]byte, n), make([]byte, 128)
	iov := syscall.Iovec{Base: unsafe.SliceData(b), Len: uint64(n)}
	m := syscall.Msghdr{Name: unsafe.SliceData(name), Namelen: 128, Iov: &iov, Iovlen: 1}
	n, err := call(syscall.SYS_RECVMSG, uintptr(h.fd[slot]), uintptr(unsafe.Pointer(&m)), uintptr(flags))
	if err != nil {
		return nil, h.show(nil), 0, err
	}
	return b[:min(n, len(b))], h.show(name[:m.Namelen]), uint32(m.Flags), nil
}
func (h *host) shutdown(slot int, how int32) error {
	_, err := call(syscall.SYS_SHUTDOWN, uintptr(h.fd[slot]), uintptr(how))
	return err
}
func (h *host) poll(slot int) wait.Mask {
	p := struct {
		fd              int32
		events, revents int16
	}{int32(h.fd[slot]), 0x7fff, 0}
	ts := syscall.Timespec{}
	call(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&ts)))
	return wait.Mask(uint16(p.revents))
}
func (h *host) inq(slot int) (int, error) {
	var n int32
	_, err := call(syscall.SYS_IOCTL, uintptr(h.fd[slot]), linux.SIOCINQ, uintptr(unsafe.Pointer(&n)))
	return int(n), err
}
func (h *host) getopt(slot int, level, name int32) (int, error) {
	var v, l int32 = 0, 4
	_, err := call(syscall.SYS_GETSOCKOPT, uintptr(h.fd[slot]), uintptr(level), uintptr(name), uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&l)))
	return int(v), err
}
func (h *host) setopt(slot int, level, name, v int32) error {
	_, err := call(syscall.SYS_SETSOCKOPT, uintptr(h.fd[slot]), uintptr(level), uintptr(name), uintptr(unsafe.Pointer(&v)), 4)
	return err
}
func (h *host) names(slot int) string {
	get := func(nr uintptr) ([]byte, error) {
		b, l := make([]byte, 128), int32(128)
		_, err := call(nr, uintptr(h.fd[slot]), ptr(b), uintptr(unsafe.Pointer(&l)))
		if err != nil {
			return nil, err
		}
		return b[:l], nil
	}
	a, _ := get(syscall.SYS_GETSOCKNAME)
	b, err := get(syscall.SYS_GETPEERNAME)
	return fmt.Sprintf("%s %s %v", h.show(a), h.show(b), err)
}
func (h *host) close(slot int) { syscall.Close(h.fd[slot]); h.fd[slot] = -1 }

// mem is guest memory of one word.
type mem struct {
	usermem.IO
	v int32
}

func (m *mem) CopyOut(_ addr.Addr, b []byte) (int, error) {
	m.v = int32(binary.LittleEndian.Uint32(b))
	return 4, nil
}

// freePorts returns the first of three neighbouring ports that are free on the host.
func freePorts(t *testing.T, rnd *rand.Rand) int {
	for range 100 {
		base := 20000 + rnd.IntN(10000)
		ok := true
		for i := range 3 {
			l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", base+i))
			if err != nil {
				ok = false
				break
			}
			l.Close()
		}
		if ok {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

// TestAgreesWithHost does the same random things to both.
func TestAgreesWithHost(t *testing.T) {
	for _, typ := range []int32{linux.SOCK_STREAM, linux.SOCK_DGRAM} {
		t.Run(map[int32]string{1: "tcp", 2: "udp"}[typ], func(t *testing.T) {
			for seed := range uint64(100) {
				compare(t, typ, seed)
			}
		})
	}
}

// prepare makes a new socket behave the same every time.
func prepare(s system, slot int) {
	s.setopt(slot, linux.SOL_SOCKET, linux.SO_REUSEADDR, 1)
	s.setopt(slot, linux.SOL_TCP, linux.TCP_NODELAY, 1)
}

func compare(t *testing.T, typ int32, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, uint64(typ)))
	p := portNames{linux.AF_INET, freePorts(t, rand.New(rand.NewPCG(seed, uint64(syscall.Getpid()))))}
	sides := []system{&host{portNames: p}, newOurs(p)}
	alive := map[int]bool{}
	var used []int
	next := 0
	add := func() {
		alive[next] = true
		used = append(used, next)
		next++
	}
	for range 4 {
		for _, x := range sides {
			x.socket(next, typ)
			prepare(x, next)
		}
		add()
	}
	var log []string
	first := byte(0)
	touched := map[int]bool{}
	for range 100 {
		op := rnd.IntN(40)
		slot := used[rnd.IntN(len(used))]
		name := rnd.IntN(3)
		n := []int{0, 1, 10, 200, 1000, 5000}[rnd.IntN(6)]
		flags := []uint32{0, 0, 0, linux.MSG_PEEK, linux.MSG_TRUNC}[rnd.IntN(5)]
		how := int32(rnd.IntN(3))
		to := -1
		if rnd.IntN(2) == 0 && typ == linux.SOCK_DGRAM {
			to = name
		}
		opt := []option{
			{linux.SOL_SOCKET, linux.SO_ERROR}, {linux.SOL_SOCKET, linux.SO_TYPE}, {linux.SOL_SOCKET, linux.SO_ACCEPTCONN},
			{linux.SOL_SOCKET, linux.SO_DOMAIN}, {linux.SOL_SOCKET, linux.SO_PROTOCOL}, {linux.SOL_TCP, linux.TCP_NODELAY},
			{linux.SOL_IP, linux.IP_TTL}, {linux.SOL_IPV6, linux.IPV6_V6ONLY},
		}[rnd.IntN(8)]
		first += byte(rnd.IntN(100))
		if op < 7 && touched[slot] && typ == linux.SOCK_STREAM {
			continue // Nobody binds what was connected before.
		}
		if op >= 7 && op < 10 {
			touched[slot] = true
		}
		if op == 31 || op == 32 {
			// shutdown(2) of what is not connected leaves Linux's socket in a state of its own.
			if typ == linux.SOCK_STREAM && strings.HasSuffix(sides[0].names(slot), "ENOTCONN") {
				continue
			}
		}
		if next >= slots-2 && (op == 12 || op == 10) {
			continue
		}
		var got [2]string
		did := ""
		for i, s := range sides {
			switch {
			case op < 4:
				got[i] = fmt.Sprintf("bind %d %d = %v", slot, name, s.bind(slot, name))
			case op < 7:
				got[i] = fmt.Sprintf("listen %d = %v", slot, s.listen(slot, 50))
			case op < 10:
				c := name
				if typ == linux.SOCK_DGRAM && op == 9 {
					c = -1
				}
				got[i] = fmt.Sprintf("connect %d %d = %v", slot, c, s.connect(slot, c))
			case op == 10:
				did = "socket"
				s.socket(next, typ)
				prepare(s, next)
				got[i] = fmt.Sprintf("socket %d", next)
			case op < 14:
				err := s.accept(slot, next)
				got[i] = fmt.Sprintf("accept %d -> %d = %v", slot, next, err)
				if err == nil {
					did = "socket"
					touched[next] = true
				}
			case op < 22:
				m, err := s.send(slot, n, first, to)
				got[i] = fmt.Sprintf("send %d %d to %d = %d %v", slot, n, to, m, err)
			case op < 31:
				d, from, out, err := s.recv(slot, n, flags)
				got[i] = fmt.Sprintf("recv %d %d %#x = %d from %s out %#x %v", slot, n, flags, len(d), from, out, err)
				if len(d) > 0 && flags&linux.MSG_TRUNC == 0 {
					got[i] += fmt.Sprintf(" data %d..%d", d[0], d[len(d)-1])
				}
			case op < 33:
				got[i] = fmt.Sprintf("shutdown %d %d = %v", slot, how, s.shutdown(slot, how))
			case op < 35:
				m, err := s.inq(slot)
				got[i] = fmt.Sprintf("inq %d = %d %v", slot, m, err)
			case op < 37:
				v, err := s.getopt(slot, opt.level, opt.name)
				got[i] = fmt.Sprintf("getsockopt %d %v = %d %v", slot, opt, v, err)
			case op < 38:
				got[i] = fmt.Sprintf("names %d: %s", slot, s.names(slot))
			case len(log) > 20:
				s.close(slot)
				got[i] = fmt.Sprintf("close %d", slot)
				did = "close"
			}
			for _, p := range used {
				if alive[p] && !(did == "close" && p == slot) {
					got[i] += fmt.Sprintf(" | %d: %#x", p, s.poll(p))
				}
			}
		}
		switch did {
		case "socket":
			add()
		case "close":
			alive[slot] = false
			used = slices.DeleteFunc(used, func(x int) bool { return x == slot })
			if len(used) == 0 {
				for _, x := range sides {
					x.socket(next, typ)
					prepare(x, next)
				}
				add()
			}
		}
		log = append(log, got[0])
		if got[0] != got[1] {
			for _, l := range log {
				t.Log(l)
			}
			t.Fatalf("seed %d:\nhost %s\nours %s", seed, got[0], got[1])
		}
	}
	for s := range alive {
		if alive[s] {
			for _, x := range sides {
				x.close(s)
			}
		}
	}
}

// testNet returns a network whose loopback is up, and which is c's.
func testNet(c vfs.Caller) *socket.Net {
	n := socket.NewNet(c.Creds().UserNS, 1)
	if err := n.Links.SetFlags(socket.LoopbackIndex, linux.IFF_UP, linux.IFF_UP); err != nil {
		panic(err)
	}
	return n
}
