package inet

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"

	"ringfence/abi/linux"
	"ringfence/sentry/net/socket"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// TestManyAtOnce lets goroutines do everything to a few sockets at the same time. It passes if nothing
// deadlocks and nothing is left.
func TestManyAtOnce(t *testing.T) {
	o := newOurs(portNames{linux.AF_INET, 20000})
	o.st.SetPingGroups(EveryGroup)
	var mu sync.Mutex
	files := make([]*vfs.File, 12)
	get := func(rnd *rand.Rand) *vfs.File {
		mu.Lock()
		defer mu.Unlock()
		i := rnd.IntN(len(files))
		if files[i] == nil {
			typ, proto := int32(linux.SOCK_STREAM), int32(0)
			switch {
			case i%4 == 0:
				typ = linux.SOCK_DGRAM
			case i == 5:
				typ, proto = linux.SOCK_RAW, linux.IPPROTO_TCP
			case i == 6:
				typ, proto = linux.SOCK_RAW, linux.IPPROTO_UDP
			case i == 7:
				typ, proto = linux.SOCK_DGRAM, linux.IPPROTO_ICMP
			}
			s, err := o.st.New(o.c, linux.AF_INET, typ, proto)
			if err != nil {
				panic(err)
			}
			if i == 9 {
				s.Close()
				s, _ = o.st.NewFrames(o.c, linux.SOCK_RAW, int32(swap(linux.ETH_P_ALL)))
			}
			files[i] = o.sfs.NewFile(o.c, s, linux.O_NONBLOCK)
		}
		files[i].IncRef()
		return files[i]
	}
	put := func(rnd *rand.Rand, f *vfs.File) {
		mu.Lock()
		i := rnd.IntN(len(files))
		old := files[i]
		files[i] = f
		mu.Unlock()
		if old != nil {
			old.DecRef()
		}
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd := rand.New(rand.NewPCG(uint64(g), 9))
			buf := make([]byte, 5000)
			for range 4000 {
				f := get(rnd)
				s := socket.Of(f)
				switch rnd.IntN(12) {
				case 0:
					s.Bind(o.c, o.addr(rnd.IntN(3)))
				case 1, 2:
					s.Listen(o.c, 1)
				case 3, 4:
					s.Connect(o.c, o.addr(rnd.IntN(3)), linux.O_NONBLOCK)
				case 5:
					if a, err := s.Accept(o.c, true); err == nil {
						put(rnd, o.sfs.NewFile(o.c, a, linux.O_NONBLOCK))
					}
				case 6, 7:
					q := usermem.FromBytes(buf[:rnd.IntN(len(buf))])
					s.Send(o.c, &q, &socket.Message{Flags: linux.MSG_DONTWAIT})
				case 8, 9:
					q := usermem.FromBytes(buf)
					s.Recv(o.c, &q, &socket.Message{Flags: linux.MSG_DONTWAIT})
				case 10:
					f.Readiness()
					s.LocalName()
					s.PeerName()
					s.Shutdown(int32(rnd.IntN(3)))
					o.st.TCPText(false)
					o.st.UDPText(linux.IPPROTO_UDP, false)
				case 11:
					put(rnd, nil)
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
	if len(o.st.tcps) != 0 || len(o.st.udps) != 0 || len(o.st.tcp) != 0 || len(o.st.udp) != 0 {
		t.Errorf("left: %d TCP, %d UDP, ports %v %v", len(o.st.tcps), len(o.st.udps), o.st.tcp, o.st.udp)
	}
}

// TestStreamOrder sends much through a connection from one goroutine to another.
func TestStreamOrder(t *testing.T) {
	s := &stream{limit: 100000}
	const words = 200000
	go func() {
		rnd := rand.New(rand.NewPCG(1, 1))
		var b []byte
		for i := range uint32(words) {
			b = binary.LittleEndian.AppendUint32(b, i)
			if len(b) > rnd.IntN(60000) || i == words-1 {
				q := usermem.FromBytes(b)
				for q.Len() > 0 {
					s.write(&q, how{})
				}
				b = b[:0]
			}
		}
		s.finish()
	}()
	var got []byte
	next := uint32(0)
	buf := make([]byte, 70000)
	rnd := rand.New(rand.NewPCG(2, 2))
	for {
		q := usermem.FromBytes(buf[:1+rnd.IntN(len(buf))])
		n, more, _, err := s.read(&q, how{})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
		for len(got) >= 4 {
			if v := binary.LittleEndian.Uint32(got); v != next {
				t.Fatalf("got %d, want %d", v, next)
			}
			got, next = got[4:], next+1
		}
		if n == 0 && !more {
			break
		}
	}
	if next != words || s.size != 0 || s.head != nil {
		t.Errorf("ended at %d with %d bytes left", next, s.size)
	}
}

// TestGivenUpClientsAreForgotten fills a listener's backlog and lets clients come and go.
func TestGivenUpClientsAreForgotten(t *testing.T) {
	o := newOurs(portNames{linux.AF_INET, 20000})
	o.socket(0, linux.SOCK_STREAM)
	o.bind(0, 0)
	o.listen(0, 0)
	o.socket(1, linux.SOCK_STREAM)
	o.connect(1, 0)
	for range 1000 {
		o.socket(2, linux.SOCK_STREAM)
		o.connect(2, 0)
		o.close(2)
	}
	if n := len(o.s(0).(*TCP).syns); n > 200 {
		t.Errorf("%d clients wait", n)
	}
	o.close(0)
	o.close(1)
}
