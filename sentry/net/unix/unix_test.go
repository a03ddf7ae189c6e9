package unix

import (
	"fmt"
	"math/rand/v2"
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
// abstract names are numbers.
type system interface {
	socket(slot int, typ int32) error
	pair(a, b int, typ int32) error
	bind(slot, name int) error
	listen(slot, backlog int) error
	connect(slot, name int) error // name -1: AF_UNSPEC
	accept(slot, to int) error
	send(slot, n int, first byte, name int, flags uint32) (int, error) // name -1: none
	recv(slot, n int, flags uint32) (data []byte, from string, out uint32, err error)
	shutdown(slot int, how int32) error
	poll(slot int) wait.Mask
	inq(slot int) (int, error)
	getopt(slot int, name int32) (int, error)
	setopt(slot int, name int32, v int32) error
	names(slot int) string
	close(slot int)
}

const slots = 40

type caller struct {
	*vfstest.Caller
}

func (caller) Process() socket.Process { return process(1) }

type process int32

func (p process) NumberFor(socket.Caller) int32 { return int32(p) }

type ours struct {
	c   caller
	fs  *FS
	sfs *socket.FS
	ns  *Namespace
	f   [slots]*vfs.File
}

func newOurs() *ours {
	v := vfs.New()
	return &ours{c: caller{vfstest.Root()}, fs: NewFS(v), sfs: socket.NewFS(v), ns: NewNamespace(socket.NewNet(vfstest.Root().Creds().UserNS, 1))}
}

func sockaddr(prefix string, name int) []byte {
	if name < 0 {
		return nil
	}
	return append([]byte{1, 0, 0}, fmt.Sprintf("%s-%d", prefix, name)...)
}

func (o *ours) s(slot int) *Socket { return socket.Of(o.f[slot]).(*Socket) }
func (o *ours) install(slot int, s *Socket) {
	o.f[slot] = o.sfs.NewFile(o.c, s, linux.O_NONBLOCK)
}
func (o *ours) socket(slot int, typ int32) error {
	s, err := o.fs.New(o.c, o.ns, typ, 0)
	if err == nil {
		o.install(slot, s)
	}
	return err
}
func (o *ours) pair(a, b int, typ int32) error {
	x, y, err := o.fs.NewPair(o.c, o.ns, typ, 0)
	if err == nil {
		o.install(a, x)
		o.install(b, y)
	}
	return err
}
func (o *ours) bind(slot, name int) error { return o.s(slot).Bind(o.c, sockaddr("t", name)) }
func (o *ours) listen(slot, backlog int) error {
	return o.s(slot).Listen(o.c, int32(backlog))
}
func (o *ours) connect(slot, name int) error {
	a := sockaddr("t", name)
	if name < 0 {
		a = []byte{0, 0}
	}
	return o.s(slot).Connect(o.c, a, 0)
}
func (o *ours) accept(slot, to int) error {
	s, err := o.s(slot).Accept(o.c, true)
	if err == nil {
		o.install(to, s.(*Socket))
	}
	return err
}
func (o *ours) send(slot, n int, first byte, name int, flags uint32) (int, error) {
	q := usermem.FromBytes(pattern(n, first))
	m := socket.Message{Flags: flags | linux.MSG_DONTWAIT, Name: sockaddr("t", name)}
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
	return b[:min(n, len(b))], string(m.Name), m.Out, err
}
func (o *ours) shutdown(slot int, how int32) error { return o.s(slot).Shutdown(how) }
func (o *ours) poll(slot int) wait.Mask            { return o.f[slot].Readiness() }
func (o *ours) inq(slot int) (int, error) {
	var m mem
	_, err := o.s(slot).Ioctl(o.c, &m, linux.SIOCINQ, 0)
	return int(m.v), err
}
func (o *ours) getopt(slot int, name int32) (int, error) {
	v, err := o.s(slot).Option(o.c, linux.SOL_SOCKET, name, 4)
	if err != nil {
		return 0, err
	}
	return int(int32(uint32(v[0]) | uint32(v[1])<<8 | uint32(v[2])<<16 | uint32(v[3])<<24)), nil
}
func (o *ours) setopt(slot int, name int32, v int32) error {
	return o.s(slot).SetOption(o.c, linux.SOL_SOCKET, name, socket.Int(v))
}
func (o *ours) names(slot int) string {
	a, _ := o.s(slot).LocalName()
	b, err := o.s(slot).PeerName()
	return fmt.Sprintf("%q %q %v", a, b, err)
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
	prefix string
	fd     [slots]int
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

func (h *host) socket(slot int, typ int32) (err error) {
	h.fd[slot], err = call(syscall.SYS_SOCKET, 1, uintptr(typ|linux.SOCK_NONBLOCK), 0)
	return err
}
func (h *host) pair(a, b int, typ int32) error {
	p, err := syscall.Socketpair(1, int(typ)|linux.SOCK_NONBLOCK, 0)
	h.fd[a], h.fd[b] = p[0], p[1]
	return err
}
func (h *host) name(name int) []byte { return sockaddr(h.prefix, name) }
func (h *host) bind(slot, name int) error {
	a := h.name(name)
	_, err := call(syscall.SYS_BIND, uintptr(h.fd[slot]), ptr(a), uintptr(len(a)))
	return err
}
func (h *host) listen(slot, backlog int) error {
	_, err := call(syscall.SYS_LISTEN, uintptr(h.fd[slot]), uintptr(backlog))
	return err
}
func (h *host) connect(slot, name int) error {
	a := h.name(name)
	if name < 0 {
		a = []byte{0, 0}
	}
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
func (h *host) send(slot, n int, first byte, name int, flags uint32) (int, error) {
	b, a := pattern(n, first), h.name(name)
	return call(syscall.SYS_SENDTO, uintptr(h.fd[slot]), ptr(b), uintptr(n), uintptr(flags|linux.MSG_NOSIGNAL), ptr(a), uintptr(len(a)))
}
func (h *host) recv(slot, n int, flags uint32) ([]byte, string, uint32, error) {
	b, name := make([]byte, n), make([]byte, 128)
	iov := syscall.Iovec{Base: unsafe.SliceData(b), Len: uint64(n)}
	m := syscall.Msghdr{Name: unsafe.SliceData(name), Namelen: 128, Iov: &iov, Iovlen: 1}
	n, err := call(syscall.SYS_RECVMSG, uintptr(h.fd[slot]), uintptr(unsafe.Pointer(&m)), uintptr(flags))
	if err != nil {
		return nil, "", 0, err
	}
	from := strings.Replace(string(name[:m.Namelen]), h.prefix, "t", 1)
	return b[:min(n, len(b))], from, uint32(m.Flags), nil
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
func (h *host) getopt(slot int, name int32) (int, error) {
	var v, l int32 = 0, 4
	_, err := call(syscall.SYS_GETSOCKOPT, uintptr(h.fd[slot]), 1, uintptr(name), uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&l)))
	return int(v), err
}
func (h *host) setopt(slot int, name int32, v int32) error {
	_, err := call(syscall.SYS_SETSOCKOPT, uintptr(h.fd[slot]), 1, uintptr(name), uintptr(unsafe.Pointer(&v)), 4)
	return err
}
func (h *host) names(slot int) string {
	get := func(nr uintptr) ([]byte, error) {
		b, l := make([]byte, 128), int32(128)
		_, err := call(nr, uintptr(h.fd[slot]), ptr(b), uintptr(unsafe.Pointer(&l)))
		if err != nil {
			return nil, err
		}
		return []byte(strings.Replace(string(b[:l]), h.prefix, "t", 1)), nil
	}
	a, _ := get(syscall.SYS_GETSOCKNAME)
	b, err := get(syscall.SYS_GETPEERNAME)
	return fmt.Sprintf("%q %q %v", a, b, err)
}
func (h *host) close(slot int) { syscall.Close(h.fd[slot]); h.fd[slot] = -1 }

// mem is guest memory of one word.
type mem struct {
	usermem.IO
	v int32
}

func (m *mem) CopyOut(_ addr.Addr, b []byte) (int, error) {
	m.v = int32(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)
	return 4, nil
}

// TestAgreesWithHost does the same random things to both.
func TestAgreesWithHost(t *testing.T) {
	for _, typ := range []int32{linux.SOCK_STREAM, linux.SOCK_DGRAM, linux.SOCK_SEQPACKET} {
		t.Run(map[int32]string{1: "stream", 2: "dgram", 5: "seqpacket"}[typ], func(t *testing.T) {
			for seed := range uint64(150) {
				compare(t, typ, seed)
			}
		})
	}
}

func compare(t *testing.T, typ int32, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, uint64(typ)))
	h := &host{prefix: fmt.Sprintf("rf%d-%d-%d", syscall.Getpid(), typ, seed)}
	sides := []system{h, newOurs()}
	alive := map[int]bool{}
	var used []int
	next := 0
	add := func() int {
		alive[next] = true
		used = append(used, next)
		next++
		return next - 1
	}
	newSocket := func() {
		s := add()
		for _, x := range sides {
			x.socket(s, typ)
		}
	}
	newSocket()
	newSocket()
	a, b := add(), add()
	for _, x := range sides {
		x.pair(a, b, typ)
	}
	var log []string
	first := byte(0)
	for range 120 {
		op := rnd.IntN(40)
		slot := used[rnd.IntN(len(used))]
		name := rnd.IntN(3)
		n := []int{0, 1, 10, 200, 1000, 5000, 40000}[rnd.IntN(7)]
		flags := []uint32{0, 0, 0, linux.MSG_PEEK, linux.MSG_TRUNC, linux.MSG_PEEK | linux.MSG_TRUNC}[rnd.IntN(6)]
		how := int32(rnd.IntN(3))
		to := -1
		if rnd.IntN(3) == 0 {
			to = name
		}
		backlog := rnd.IntN(3)
		opt := []int32{linux.SO_ERROR, linux.SO_TYPE, linux.SO_ACCEPTCONN, linux.SO_DOMAIN, linux.SO_PROTOCOL}[rnd.IntN(5)]
		first += byte(rnd.IntN(100))
		if !alive[slot] || next >= slots-2 && (op == 12 || op == 10) {
			continue
		}
		var got [2]string
		did := ""
		for i, s := range sides {
			switch {
			case op < 4:
				got[i] = fmt.Sprintf("bind %d %d = %v", slot, name, s.bind(slot, name))
			case op < 7:
				got[i] = fmt.Sprintf("listen %d %d = %v", slot, backlog, s.listen(slot, backlog))
			case op < 10:
				c := name
				if typ == linux.SOCK_DGRAM && op == 9 {
					c = -1
				}
				got[i] = fmt.Sprintf("connect %d %d = %v", slot, c, s.connect(slot, c))
			case op == 10:
				did = "socket"
				s.socket(next, typ)
				got[i] = fmt.Sprintf("socket %d", next)
			case op < 13:
				err := s.accept(slot, next)
				got[i] = fmt.Sprintf("accept %d -> %d = %v", slot, next, err)
				if err == nil {
					did = "socket"
				}
			case op < 22:
				m, err := s.send(slot, n, first, to, 0)
				got[i] = fmt.Sprintf("send %d %d to %d = %d %v", slot, n, to, m, err)
			case op < 32:
				d, from, out, err := s.recv(slot, n, flags)
				got[i] = fmt.Sprintf("recv %d %d %#x = %d from %q out %#x %v", slot, n, flags, len(d), from, out&^linux.MSG_EOR, err)
				if len(d) > 0 {
					got[i] += fmt.Sprintf(" data %d..%d", d[0], d[len(d)-1])
				}
			case op < 33:
				got[i] = fmt.Sprintf("shutdown %d %d = %v", slot, how, s.shutdown(slot, how))
			case op < 35:
				m, err := s.inq(slot)
				got[i] = fmt.Sprintf("inq %d = %d %v", slot, m, err)
			case op < 37:
				v, err := s.getopt(slot, opt)
				got[i] = fmt.Sprintf("getsockopt %d %d = %d %v", slot, opt, v, err)
			case op < 39:
				got[i] = fmt.Sprintf("names %d: %s", slot, s.names(slot))
			case len(log) > 30:
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
				newSocket()
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
