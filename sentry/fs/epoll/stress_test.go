package epoll

import (
	"math/rand/v2"
	"sync"
	"testing"

	"ringfence/abi/linux"
	"ringfence/sentry/fs/eventfd"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// TestManyAtOnce lets goroutines watch, signal, wait for and close the same few files at the same
// time, epoll files that watch each other included. It passes if nothing deadlocks and the
// lists stay whole.
func TestManyAtOnce(t *testing.T) {
	o := newOurs()
	v := vfs.New()
	var mu sync.Mutex
	files := make([]*vfs.File, 10) // the first four are epoll files
	get := func(i int) *vfs.File {
		mu.Lock()
		defer mu.Unlock()
		if files[i] == nil {
			if i < 4 {
				files[i] = o.fs.New(o.c)
			} else {
				files[i] = v.NewAnonFile("[eventfd]", eventfd.New(0, false), linux.O_RDWR, vfs.FModeRead|vfs.FModeWrite, o.c.Creds())
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
			rnd := rand.New(rand.NewPCG(uint64(g), 5))
			events := make([]linux.EpollEvent, 8)
			for range 3000 {
				e, i := get(rnd.IntN(4)), rnd.IntN(len(files))
				f := get(i)
				ep := Of(e)
				ev := linux.EpollEvent{Events: linux.EPOLLIN | []uint32{0, linux.EPOLLET, linux.EPOLLONESHOT}[rnd.IntN(3)], Data: uint64(i)}
				switch rnd.IntN(9) {
				case 0, 1:
					if e != f {
						ep.Add(o.c, f, int32(i), ev)
					}
				case 2:
					ep.Modify(o.c, f, int32(i), ev)
				case 3:
					ep.Delete(f, int32(i))
				case 4, 5:
					ep.Collect(o.c, events)
					ep.Pass()
				case 6:
					if x, ok := f.Ops.(*eventfd.EventFD); ok {
						x.Add(1)
					} else {
						f.Readiness()
					}
				case 7:
					if x, ok := f.Ops.(*eventfd.EventFD); ok {
						s := usermem.FromBytes(make([]byte, 8))
						x.Read(o.c, f, &s, 0, 0)
					} else {
						ep.FDInfo(e)
					}
				case 8:
					mu.Lock()
					old := files[i]
					files[i] = nil
					mu.Unlock()
					if old != nil {
						old.DecRef()
					}
				}
				e.DecRef()
				f.DecRef()
			}
		}()
	}
	wg.Wait()
	for i, f := range files {
		if f == nil {
			continue
		}
		if ep := Of(f); ep != nil {
			n := 0
			for it := ep.head; it != nil; it = it.next {
				if !it.ready || it.dead || ep.items[it.key] != it {
					t.Errorf("file %d: an item on the ready list does not belong there", i)
				}
				n++
			}
			if n != ep.count {
				t.Errorf("file %d: %d items on the ready list, counted %d", i, n, ep.count)
			}
		}
		f.DecRef()
	}
}
