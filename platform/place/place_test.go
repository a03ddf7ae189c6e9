package place

import (
	"runtime"
	"slices"
	"testing"

	"ringfence/platform/hostcall"
)

// onThread runs fn on a host thread of its own, which ends with it: what it was confined to must
// not stick to others.
func onThread(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked
		fn()
	}()
	<-done
}

// testKeeper is a keeper that looks only when it is told to.
func testKeeper(t *testing.T, cpus ...int) *Keeper {
	t.Helper()
	n := slices.Max(cpus) + 1
	k := &Keeper{cpus: cpus, single: make([][]int, n), load: make([]int, n), threads: map[*Place]*kept{}, wake: make(chan struct{}, 1)}
	for _, c := range cpus {
		k.single[c] = []int{c}
	}
	return k
}

// twoCPUs are CPUs to choose from; on a machine with one they are the same.
func twoCPUs(t *testing.T) (int, int) {
	t.Helper()
	if len(allowed) == 0 {
		t.Fatal("no CPUs")
	}
	return allowed[0], allowed[len(allowed)-1]
}

func TestServers(t *testing.T) {
	k := testKeeper(t, 0)
	var a, b *server
	onThread(func() {
		a = k.server()
		if k.server() != a {
			t.Error("a thread has two records")
		}
		onThread(func() { b = k.server() })
	})
	if a == b {
		t.Error("two threads have one record")
	}
	if a.cpu.Load() != anywhere || a.moveTo.Load() != anywhere {
		t.Errorf("a new server is at %d and goes to %d", a.cpu.Load(), a.moveTo.Load())
	}
}

func TestThreadFollowsItsServer(t *testing.T) {
	first, last := twoCPUs(t)
	k := testKeeper(t, first, last)
	onThread(func() {
		p := &Place{}
		p.Init(k)
		p.Adopt(hostcall.Gettid()) // the thread is its own server here
		p.BeforeRun()
		p.AfterRun()
		cpu := int(p.cpu.Load())
		if cpu != int(p.server.Load().cpu.Load()) {
			t.Errorf("thread on %d, server on %d", cpu, p.server.Load().cpu.Load())
		}
		if got, err := hostcall.SchedGetaffinity(0); err != nil || !slices.Equal(got, []int{cpu}) {
			t.Errorf("confined to %v (%v), want %d", got, err, cpu)
		}
		p.server.Load().moveTo.Store(int32(last))
		p.BeforeRun()
		if p.cpu.Load() != int32(last) {
			t.Errorf("thread on %d, its server was sent to %d", p.cpu.Load(), last)
		}
		p.Drop()
	})
}

func TestNothingToChoose(t *testing.T) {
	var p Place
	p.Init(nil)
	p.Adopt(1)
	p.BeforeRun()
	p.AfterRun()
	if p.Apart() || p.IsApart() {
		t.Error("apart on one CPU")
	}
	p.Together()
	p.Drop()
}

// places makes places whose servers are at the given CPUs and which were busy of late.
func places(k *Keeper, at ...int) (ps []*Place) {
	for _, cpu := range at {
		s := &server{}
		s.cpu.Store(int32(cpu))
		s.moveTo.Store(anywhere)
		p := &Place{}
		p.Init(k)
		p.server.Store(s)
		p.entered.Store(1000)
		k.add(p)
		ps = append(ps, p)
	}
	return ps
}

func TestKeeperLook(t *testing.T) {
	for _, c := range []struct {
		name  string
		at    []int
		calls uint64 // since the last look
		moved int
		load  []int
	}{
		{"spreads_what_is_busy", []int{0, 0, 0, 0}, 1000, 2, []int{4, 0}},
		{"leaves_two_where_one_would_be_alone", []int{0, 1}, 1000, 0, []int{1, 1}},
		{"does_not_count_who_does_little", []int{0, 0, 0, 0}, 10, 0, []int{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := testKeeper(t, 0, 1)
			ps := places(k, c.at...)
			k.look()
			for _, p := range ps {
				p.server.Load().cpu.Store(int32(c.at[0]))
				p.server.Load().moveTo.Store(anywhere)
				p.entered.Add(c.calls + c.calls%2)
			}
			for i, p := range ps {
				p.server.Load().cpu.Store(int32(c.at[i]))
			}
			k.look()
			moved := 0
			for _, p := range ps {
				if p.server.Load().moveTo.Load() != anywhere {
					moved++
				}
			}
			if moved != c.moved {
				t.Errorf("%d move, want %d", moved, c.moved)
			}
			if sum := k.load[0] + k.load[1]; sum != c.load[0]+c.load[1] {
				t.Errorf("load %v, want %v in all", k.load, c.load)
			}
		})
	}
}

func TestIdleCPU(t *testing.T) {
	k := testKeeper(t, 0, 1)
	places(k, 1)
	k.look()
	if to, ok := k.idle(1); !ok || to != 0 {
		t.Errorf("idle is %d, %v", to, ok)
	}
	if to, ok := k.idle(0); ok {
		t.Errorf("CPU %d is called idle", to)
	}
}
