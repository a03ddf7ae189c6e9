package epoll

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/fs/eventfd"
	"ringfence/sentry/fs/pipe"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
	"ringfence/sentry/vfs/vfstest"
)

// system is what a test does epoll with: ours or the host's. Descriptors are slots.
type system interface {
	pipe(r, w int)
	epoll(slot int)
	dup(from, to int)
	close(slot int)
	write(slot, n int)
	read(slot, n int)
	ctl(ep, op, slot int, ev linux.EpollEvent) error
	wait(ep, max int) []linux.EpollEvent
	poll(slot int) wait.Mask
}

const slots = 64

type ours struct {
	c     *vfstest.Caller
	pipes *pipe.FS
	fs    *FS
	f     [slots]*vfs.File
}

func newOurs() *ours {
	v := vfs.New()
	return &ours{c: vfstest.Root(), pipes: pipe.NewFS(v), fs: NewFS(v)}
}

func (o *ours) pipe(r, w int)    { o.f[r], o.f[w] = o.pipes.New(o.c, linux.O_NONBLOCK) }
func (o *ours) epoll(slot int)   { o.f[slot] = o.fs.New(o.c) }
func (o *ours) dup(from, to int) { o.f[to] = o.f[from]; o.f[to].IncRef() }
func (o *ours) close(slot int)   { o.f[slot].DecRef(); o.f[slot] = nil }
func (o *ours) write(slot, n int) {
	s := usermem.FromBytes(make([]byte, n))
	o.f[slot].Write(o.c, &s, 0)
}
func (o *ours) read(slot, n int) {
	s := usermem.FromBytes(make([]byte, n))
	o.f[slot].Read(o.c, &s, 0)
}
func (o *ours) ctl(ep, op, slot int, ev linux.EpollEvent) error {
	if o.f[ep] == o.f[slot] {
		return errno.EINVAL
	}
	e := Of(o.f[ep])
	switch op {
	case linux.EPOLL_CTL_ADD:
		return e.Add(nil, o.f[slot], int32(slot), ev)
	case linux.EPOLL_CTL_MOD:
		return e.Modify(nil, o.f[slot], int32(slot), ev)
	}
	return e.Delete(o.f[slot], int32(slot))
}
func (o *ours) wait(ep, max int) []linux.EpollEvent {
	ev := make([]linux.EpollEvent, max)
	return ev[:Of(o.f[ep]).Collect(nil, ev)]
}
func (o *ours) poll(slot int) wait.Mask { return o.f[slot].Readiness() }

type host struct{ fd [slots]int }

func (h *host) pipe(r, w int) {
	var p [2]int
	syscall.Pipe2(p[:], syscall.O_NONBLOCK)
	h.fd[r], h.fd[w] = p[0], p[1]
}
func (h *host) epoll(slot int)   { h.fd[slot], _ = syscall.EpollCreate1(0) }
func (h *host) dup(from, to int) { h.fd[to], _ = syscall.Dup(h.fd[from]) }
func (h *host) close(slot int)   { syscall.Close(h.fd[slot]); h.fd[slot] = -1 }
func (h *host) write(slot, n int) {
	syscall.Write(h.fd[slot], make([]byte, n))
}
func (h *host) read(slot, n int) {
	syscall.Read(h.fd[slot], make([]byte, n))
}
func (h *host) ctl(ep, op, slot int, ev linux.EpollEvent) error {
	var b [12]byte
	ev.MarshalBytes(b[:])
	_, _, e := syscall.Syscall6(syscall.SYS_EPOLL_CTL, uintptr(h.fd[ep]), uintptr(op), uintptr(h.fd[slot]), uintptr(unsafe.Pointer(&b)), 0, 0)
	if e != 0 {
		return errno.Errno(e)
	}
	return nil
}
func (h *host) wait(ep, max int) []linux.EpollEvent {
	b := make([]byte, 12*max)
	n, _, e := syscall.Syscall6(syscall.SYS_EPOLL_WAIT, uintptr(h.fd[ep]), uintptr(unsafe.Pointer(&b[0])), uintptr(max), 0, 0, 0)
	if e != 0 {
		panic(e)
	}
	ev := make([]linux.EpollEvent, n)
	for i := range ev {
		ev[i].UnmarshalBytes(b[12*i:])
	}
	return ev
}
func (h *host) poll(slot int) wait.Mask {
	p := struct {
		fd              int32
		events, revents int16
	}{int32(h.fd[slot]), 0x7fff, 0}
	ts := syscall.Timespec{}
	syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	return wait.Mask(uint16(p.revents))
}

func show(ev []linux.EpollEvent, sort bool) string {
	var l []string
	for _, e := range ev {
		l = append(l, fmt.Sprintf("%d:%#x", e.Data, e.Events))
	}
	if sort {
		slices.Sort(l)
	}
	return strings.Join(l, " ")
}

// TestEpollAgreesWithHost does the same random things to both.
func TestEpollAgreesWithHost(t *testing.T) {
	flags := []uint32{0, linux.EPOLLET, linux.EPOLLONESHOT, linux.EPOLLET | linux.EPOLLONESHOT, linux.EPOLLEXCLUSIVE}
	conditions := []uint32{linux.EPOLLIN, linux.EPOLLOUT, linux.EPOLLIN | linux.EPOLLOUT, linux.EPOLLRDHUP, 0}
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		h, o := &host{}, newOurs()
		sides := []system{h, o}
		const pipes, eps = 5, 3 // slots: pipes 0..9, epolls 10..12, dups 13..
		alive := map[int]bool{}
		dup := map[int]int{}
		for _, s := range sides {
			for i := range pipes {
				s.pipe(2*i, 2*i+1)
			}
			for i := range eps {
				s.epoll(2*pipes + i)
			}
		}
		for i := range 2*pipes + eps {
			alive[i] = true
		}
		nextDup := 2*pipes + eps
		var log []string
		for range 100 {
			op := rnd.IntN(30)
			p := rnd.IntN(2 * pipes)
			ep := 2*pipes + rnd.IntN(eps)
			ep2 := 2*pipes + rnd.IntN(eps)
			n := []int{1, 100, 4096, 65536}[rnd.IntN(4)]
			max := []int{1, 2, 50}[rnd.IntN(3)]
			which := p
			if rnd.IntN(5) == 0 && nextDup > 2*pipes+eps {
				which = 2*pipes + eps + rnd.IntN(nextDup-2*pipes-eps)
			} else if rnd.IntN(8) == 0 {
				which = ep2
			}
			ev := linux.EpollEvent{Events: flags[rnd.IntN(len(flags))] | conditions[rnd.IntN(len(conditions))], Data: uint64(which)}
			var got [2]string
			for i, s := range sides {
				switch {
				case op < 6 && alive[p|1]:
					s.write(p|1, n)
					got[i] = fmt.Sprintf("write %d %d", p|1, n)
				case op < 11 && alive[p&^1]:
					s.read(p&^1, n)
					got[i] = fmt.Sprintf("read %d %d", p&^1, n)
				case op < 16 && alive[ep] && alive[which]:
					got[i] = fmt.Sprintf("add %d %d %#x = %v", ep, which, ev.Events, s.ctl(ep, linux.EPOLL_CTL_ADD, which, ev))
				case op < 18 && alive[ep] && alive[which]:
					got[i] = fmt.Sprintf("mod %d %d %#x = %v", ep, which, ev.Events, s.ctl(ep, linux.EPOLL_CTL_MOD, which, ev))
				case op < 19 && alive[ep] && alive[which]:
					got[i] = fmt.Sprintf("del %d %d = %v", ep, which, s.ctl(ep, linux.EPOLL_CTL_DEL, which, ev))
				case op < 27 && alive[ep]:
					got[i] = fmt.Sprintf("wait %d %d: %s", ep, max, show(s.wait(ep, max), false))
				case op < 28 && nextDup < slots && alive[p]:
					s.dup(p, nextDup)
					got[i] = fmt.Sprintf("dup %d to %d", p, nextDup)
				case op < 29 && alive[which] && len(log) > 50:
					s.close(which)
					got[i] = fmt.Sprintf("close %d", which)
				}
				for e := 2 * pipes; e < 2*pipes+eps; e++ {
					if alive[e] && !(strings.HasPrefix(got[i], "close") && e == which) {
						got[i] += fmt.Sprintf(" | %d poll %#x", e, s.poll(e))
					}
				}
			}
			switch {
			case strings.HasPrefix(got[0], "dup"):
				alive[nextDup] = true
				dup[nextDup] = p
				nextDup++
			case strings.HasPrefix(got[0], "close"):
				alive[which] = false
			}
			log = append(log, got[0])
			if got[0] != got[1] {
				for _, l := range log[max0(len(log)-40):] {
					t.Log(l)
				}
				t.Fatalf("seed %d:\nhost %s\nours %s", seed, got[0], got[1])
			}
		}
		for slot, a := range alive {
			if a {
				h.close(slot)
			}
		}
	}
}

func max0(n int) int { return max(n, 0) }

func TestNesting(t *testing.T) {
	// Chains of epoll files, built from either end, and circles.
	for _, name := range []string{"from the inside", "from the outside", "circle"} {
		t.Run(name, func(t *testing.T) {
			var got [2][]string
			for i, s := range []system{&host{}, newOurs()} {
				for e := range 10 {
					s.epoll(e)
				}
				add := func(ep, target int) {
					err := s.ctl(ep, linux.EPOLL_CTL_ADD, target, linux.EpollEvent{Events: linux.EPOLLIN})
					got[i] = append(got[i], fmt.Sprintf("%d watches %d: %v", ep, target, err))
				}
				switch name {
				case "from the inside":
					for e := range 8 {
						add(e+1, e)
					}
				case "from the outside":
					for e := 8; e > 0; e-- {
						add(e, e-1)
					}
				case "circle":
					add(0, 0)
					add(0, 1)
					add(1, 2)
					add(2, 0)
					add(2, 1)
				}
				for e := range 10 {
					s.close(e)
				}
			}
			if !slices.Equal(got[0], got[1]) {
				t.Errorf("\nhost %v\nours %v", got[0], got[1])
			}
		})
	}
}

type counter struct{ n int }

func (c *counter) Wake(*wait.Entry, wait.Mask) { c.n++ }

func TestWaitersAreWokenOneAtATime(t *testing.T) {
	o := newOurs()
	o.pipe(0, 1)
	o.epoll(2)
	o.ctl(2, linux.EPOLL_CTL_ADD, 0, linux.EpollEvent{Events: linux.EPOLLIN})
	var a, b counter
	q := o.f[2].Queue()
	ea := wait.Entry{Waiter: &a, Mask: wait.In, Exclusive: true}
	eb := wait.Entry{Waiter: &b, Mask: wait.In, Exclusive: true}
	q.Register(&ea)
	q.Register(&eb)
	o.write(1, 1)
	if a.n != 1 || b.n != 0 {
		t.Errorf("woken: %d %d", a.n, b.n)
	}
	q.Unregister(&ea)
	Of(o.f[2]).Pass()
	if b.n != 1 {
		t.Error("Pass did not wake the next")
	}
}

func TestItemsGoWithTheFile(t *testing.T) {
	o := newOurs()
	o.pipe(0, 1)
	o.epoll(2)
	o.dup(0, 3)
	o.ctl(2, linux.EPOLL_CTL_ADD, 0, linux.EpollEvent{Events: linux.EPOLLIN, Data: 7})
	o.close(0)
	o.write(1, 1)
	if got := show(o.wait(2, 9), false); got != "7:0x1" {
		t.Errorf("with another descriptor of the file: %q", got)
	}
	o.close(3)
	if n := len(Of(o.f[2]).items); n != 0 {
		t.Errorf("%d items left", n)
	}
	if got := o.wait(2, 9); len(got) != 0 {
		t.Errorf("events of a closed file: %v", got)
	}
}

func TestFilesWithoutQueueAreRefused(t *testing.T) {
	o := newOurs()
	v := vfs.New()
	f := v.NewAnonFile("x", noQueue{}, 0, vfs.FModeRead, o.c.Creds())
	o.epoll(0)
	if err := Of(o.f[0]).Add(nil, f, 1, linux.EpollEvent{}); err != errno.EPERM {
		t.Errorf("got %v", err)
	}
}

type noQueue struct{ vfs.BaseFile }

// BenchmarkWait waits on one ready file of many watched ones.
func BenchmarkWait(b *testing.B) {
	for _, n := range []int{1, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			o := newOurs()
			o.epoll(0)
			ep := Of(o.f[0])
			v := vfs.New()
			var last *eventfd.EventFD
			for i := range n {
				last = eventfd.New(0, false)
				f := v.NewAnonFile("[eventfd]", last, linux.O_RDWR, vfs.FModeRead|vfs.FModeWrite, o.c.Creds())
				ep.Add(nil, f, int32(i), linux.EpollEvent{Events: linux.EPOLLIN})
			}
			ev := make([]linux.EpollEvent, 16)
			buf := make([]byte, 8)
			b.ReportAllocs()
			for b.Loop() {
				last.Add(1)
				if ep.Collect(nil, ev) != 1 {
					b.Fatal("no event")
				}
				s := usermem.FromBytes(buf)
				last.Read(o.c, nil, &s, 0, 0)
			}
		})
	}
}
