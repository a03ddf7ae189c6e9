package unix

import (
	"math/rand/v2"
	"sync"
	"testing"

	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// TestManyAtOnce lets goroutines do everything to a few sockets at the same time, files in flight
// included. It passes if nothing deadlocks and nothing is left.
func TestManyAtOnce(t *testing.T) {
	o := newOurs()
	var mu sync.Mutex
	files := make([]*vfs.File, 12)
	// get returns a referenced file of a slot, making one if the slot is empty.
	get := func(rnd *rand.Rand) *vfs.File {
		mu.Lock()
		defer mu.Unlock()
		i := rnd.IntN(len(files))
		if files[i] == nil {
			typ := []int32{linux.SOCK_STREAM, linux.SOCK_DGRAM, linux.SOCK_SEQPACKET}[i%3]
			a, b, _ := o.fs.NewPair(o.c, o.ns, typ, 0)
			if rnd.IntN(3) == 0 {
				a.Close()
				b.Close()
				a, _ = o.fs.New(o.c, o.ns, typ, 0)
				b = nil
			}
			files[i] = o.sfs.NewFile(o.c, a, linux.O_NONBLOCK)
			if b != nil {
				j := (i + 3) % len(files)
				if files[j] == nil {
					files[j] = o.sfs.NewFile(o.c, b, linux.O_NONBLOCK)
				} else {
					b.Close()
				}
			}
		}
		files[i].IncRef()
		return files[i]
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd := rand.New(rand.NewPCG(uint64(g), 9))
			buf := make([]byte, 5000)
			for range 1500 {
				f := get(rnd)
				s := socket.Of(f)
				switch rnd.IntN(10) {
				case 0:
					s.Bind(o.c, sockaddr("s", rnd.IntN(4)))
				case 1:
					s.Listen(o.c, 2)
				case 2:
					s.Connect(o.c, sockaddr("s", rnd.IntN(4)), 0)
				case 3:
					if a, err := s.Accept(o.c, true); err == nil {
						nf := o.sfs.NewFile(o.c, a, linux.O_NONBLOCK)
						mu.Lock()
						i := rnd.IntN(len(files))
						old := files[i]
						files[i] = nf
						mu.Unlock()
						if old != nil {
							old.DecRef()
						}
					}
				case 4, 5:
					q := usermem.FromBytes(buf[:rnd.IntN(len(buf))])
					m := socket.Message{Flags: linux.MSG_DONTWAIT}
					if rnd.IntN(3) == 0 {
						m.Files = []*vfs.File{get(rnd), get(rnd)}
					}
					s.Send(o.c, &q, &m)
					for _, x := range m.Files {
						x.DecRef()
					}
				case 6, 7:
					q := usermem.FromBytes(buf)
					m := socket.Message{Flags: linux.MSG_DONTWAIT}
					if rnd.IntN(4) == 0 {
						m.Flags |= linux.MSG_PEEK
					}
					s.Recv(o.c, &q, &m)
					for _, x := range m.Files {
						x.DecRef()
					}
				case 8:
					f.Readiness()
					s.LocalName()
					s.PeerName()
					o.fs.ProcText(o.ns)
				case 9:
					mu.Lock()
					i := rnd.IntN(len(files))
					old := files[i]
					files[i] = nil
					mu.Unlock()
					if old != nil {
						old.DecRef()
					}
				}
				f.DecRef()
			}
		}()
	}
	wg.Wait()
	for _, f := range files {
		if f != nil {
			f.DecRef()
		}
	}
	// Circles that were made while a collection was under way go with the next.
	for range 3 {
		s, _ := o.fs.New(o.c, o.ns, linux.SOCK_DGRAM, 0)
		s.Close()
	}
	if n := o.fs.InFlight(); n != 0 {
		t.Errorf("%d files still in flight", n)
	}
	if n := len(o.fs.all); n != 0 {
		t.Errorf("%d sockets left", n)
	}
	if len(o.ns.abstract) != 0 {
		t.Errorf("names left: %v", o.ns.abstract)
	}
}

// TestCircleIsCollected checks that sockets that hold only each other go, and that one that can
// still be received stays.
func TestCircleIsCollected(t *testing.T) {
	o := newOurs()
	send := func(s *vfs.File, f *vfs.File) {
		f.IncRef()
		q := usermem.FromBytes([]byte("x"))
		m := socket.Message{Files: []*vfs.File{f}}
		if _, err := socket.Of(s).Send(o.c, &q, &m); err != nil {
			t.Fatal(err)
		}
	}
	o.pair(0, 1, linux.SOCK_DGRAM)
	o.pair(2, 3, linux.SOCK_DGRAM)
	o.pair(4, 5, linux.SOCK_STREAM)
	send(o.f[0], o.f[3]) // 3 lies in 1
	send(o.f[2], o.f[1]) // 1 lies in 3
	send(o.f[0], o.f[5]) // 5 lies in 1
	for _, i := range []int{0, 1, 2, 3, 5} {
		o.close(i)
	}
	collect := func() {
		s, _ := o.fs.New(o.c, o.ns, linux.SOCK_DGRAM, 0)
		s.Close() // what is closed sets it off
	}
	collect()
	if n := len(o.fs.all); n != 1 {
		t.Errorf("%d sockets left, want the one that is open", n)
	}
	o.pair(0, 1, linux.SOCK_STREAM)
	send(o.f[0], o.f[4])
	o.close(4)
	o.close(0)
	collect()
	if n := len(o.fs.all); n != 2 {
		t.Errorf("%d sockets left, want 1 and what can be received from it", n)
	}
	o.close(1)
	if n, k := len(o.fs.all), o.fs.InFlight(); n != 0 || k != 0 {
		t.Errorf("%d sockets, %d files in flight left", n, k)
	}
}

// TestGivenUpSendersAreForgotten fills a receiver's queue and lets senders come and go.
func TestGivenUpSendersAreForgotten(t *testing.T) {
	o := newOurs()
	o.socket(0, linux.SOCK_DGRAM)
	o.bind(0, 0)
	for range 1000 {
		o.socket(1, linux.SOCK_DGRAM)
		o.send(1, 1, 0, 0, 0)
		o.close(1)
	}
	if n := len(o.s(0).waiters); n == 0 || n > 200 {
		t.Errorf("%d senders wait", n)
	}
	o.close(0)
}
