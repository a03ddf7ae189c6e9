package futex

import (
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/mappable"
	"ringfence/sentry/usermem"
)

// memory is a few words; those from sharedAt on belong to a file that other memories show too.
type memory struct {
	usermem.IO
	id    uint64
	words *[64]atomic.Uint32
	file  mappable.Mappable

	mu      sync.Mutex
	waiting map[addr.Addr]int // guarded by mu: what CountWaiters was told
}

const sharedAt = 128

func newMemory(id uint64) *memory {
	return &memory{id: id, words: new([64]atomic.Uint32), waiting: map[addr.Addr]int{}}
}

func (m *memory) ID() uint64 { return m.id }
func (m *memory) word(a addr.Addr) (*atomic.Uint32, error) {
	if a/4 >= 64 {
		return nil, errno.EFAULT
	}
	return &m.words[a/4], nil
}
func (m *memory) CountWaiters(a addr.Addr, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting[a] += n; m.waiting[a] == 0 {
		delete(m.waiting, a)
	}
}

func (m *memory) SharedKey(a addr.Addr) (mappable.Mappable, uint64, error) {
	if a >= sharedAt {
		return m.file, uint64(a), nil
	}
	return nil, 0, nil
}
func (m *memory) LoadUint32(a addr.Addr) (uint32, error) {
	w, err := m.word(a)
	if err != nil {
		return 0, err
	}
	return w.Load(), nil
}
func (m *memory) SwapUint32(a addr.Addr, v uint32) (uint32, error) {
	w, err := m.word(a)
	if err != nil {
		return 0, err
	}
	return w.Swap(v), nil
}
func (m *memory) CompareAndSwapUint32(a addr.Addr, old, v uint32) (uint32, error) {
	w, err := m.word(a)
	if err != nil {
		return 0, err
	}
	for {
		if found := w.Load(); found != old {
			return found, nil
		}
		if w.CompareAndSwap(old, v) {
			return old, nil
		}
	}
}

type file struct {
	mappable.Mappable
	n int
}

// sleeper is who waits.
type sleeper struct{ token chan struct{} }

func newSleeper() sleeper { return sleeper{make(chan struct{}, 1)} }

func (s sleeper) Wake(*wait.Entry, wait.Mask) {
	select {
	case s.token <- struct{}{}:
	default:
	}
}

func newWaiter() *Waiter { return &Waiter{Entry: wait.Entry{Waiter: newSleeper()}} }

const all = linux.FUTEX_BITSET_MATCH_ANY

func mustWait(t *testing.T, m *Manager, f Word) *Waiter {
	t.Helper()
	w := newWaiter()
	v, _ := f.Mem.LoadUint32(f.Addr)
	if err := m.Wait(w, f, v, all); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWait_and_Wake(t *testing.T) {
	var m Manager
	mem := newMemory(1)
	f := Word{mem, 8, false}
	w := newWaiter()
	if err := m.Wait(w, f, 1, all); err != errno.EAGAIN {
		t.Error("wrong value:", err)
	}
	if err := m.Wait(w, f, 0, 0); err != errno.EINVAL {
		t.Error("no bits:", err)
	}
	if err := m.Wait(w, Word{mem, 9, false}, 0, all); err != errno.EINVAL {
		t.Error("unaligned:", err)
	}
	if err := m.Wait(w, Word{mem, 4096, false}, 0, all); err != errno.EFAULT {
		t.Error("no memory:", err)
	}
	a, b, c := mustWait(t, &m, f), mustWait(t, &m, f), mustWait(t, &m, f)
	if n, err := m.Wake(Word{mem, 12, false}, 10, all); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := m.Wake(Word{newMemory(2), 8, false}, 10, all); n != 0 || err != nil {
		t.Error("another address space:", n, err)
	}
	if n, err := m.Wake(f, 0, all); n != 1 || err != nil || !a.Woken() || b.Woken() {
		t.Error("wake of none wakes the first:", n, err)
	}
	if !m.Cancel(b) || m.Cancel(a) {
		t.Error("cancel")
	}
	if n, _ := m.Wake(f, 10, all); n != 1 || !c.Woken() {
		t.Error(n)
	}
}

// TestWhoWaitsIsCounted follows what an address space is told of private waiters.
func TestWhoWaitsIsCounted(t *testing.T) {
	var m Manager
	mem := newMemory(1)
	mem.file = &file{}
	f, g, shared := Word{mem, 8, false}, Word{mem, 16, false}, Word{mem, sharedAt, true}
	want := func(w map[addr.Addr]int) {
		t.Helper()
		if !maps.Equal(mem.waiting, w) {
			t.Errorf("waiting %v, want %v", mem.waiting, w)
		}
	}
	if err := m.Wait(newWaiter(), f, 1, all); err != errno.EAGAIN {
		t.Error(err)
	}
	want(nil)
	a, _, _, d := mustWait(t, &m, f), mustWait(t, &m, f), mustWait(t, &m, f), mustWait(t, &m, shared)
	want(map[addr.Addr]int{8: 3})
	if n, err := m.Requeue(f, g, 0, 1, nil); n != 1 || err != nil {
		t.Error(n, err)
	}
	want(map[addr.Addr]int{8: 2, 16: 1})
	if n, err := m.Requeue(f, shared, 1, 1, nil); n != 2 || err != nil {
		t.Error(n, err)
	}
	want(map[addr.Addr]int{16: 1})
	m.Cancel(a)
	m.Cancel(d)
	want(nil)
}

func TestBitsets(t *testing.T) {
	var m Manager
	f := Word{newMemory(1), 8, false}
	a, b := newWaiter(), newWaiter()
	m.Wait(a, f, 0, 1)
	m.Wait(b, f, 0, 2)
	if n, _ := m.Wake(f, 10, 2); n != 1 || a.Woken() || !b.Woken() {
		t.Error(n)
	}
	if _, err := m.Wake(f, 1, 0); err != errno.EINVAL {
		t.Error(err)
	}
}

func TestShared_words_have_one_key(t *testing.T) {
	var m Manager
	shm := &file{n: 1}
	a, b := newMemory(1), newMemory(2)
	a.file, b.file = shm, shm
	b.words = a.words
	w := mustWait(t, &m, Word{a, sharedAt + 4, true})
	if n, _ := m.Wake(Word{b, sharedAt + 4, false}, 1, all); n != 0 {
		t.Error("a private wake reaches a shared waiter")
	}
	if n, _ := m.Wake(Word{b, sharedAt + 4, true}, 1, all); n != 1 || !w.Woken() {
		t.Error(n)
	}
}

func TestRequeue(t *testing.T) {
	var m Manager
	mem := newMemory(1)
	from, to := Word{mem, 8, false}, Word{mem, 12, false}
	var ws []*Waiter
	for range 5 {
		ws = append(ws, mustWait(t, &m, from))
	}
	bad := uint32(7)
	if _, err := m.Requeue(from, to, 1, 1, &bad); err != errno.EAGAIN {
		t.Error(err)
	}
	if _, err := m.Requeue(from, to, -1, 1, nil); err != errno.EINVAL {
		t.Error(err)
	}
	good := uint32(0)
	if n, err := m.Requeue(from, to, 1, 2, &good); n != 3 || err != nil {
		t.Error(n, err)
	}
	if !ws[0].Woken() || ws[1].Woken() {
		t.Error("wrong waiters")
	}
	if n, _ := m.Wake(from, 10, all); n != 2 || !ws[3].Woken() {
		t.Error(n)
	}
	if !m.Cancel(ws[2]) {
		t.Error("cancel of a moved waiter")
	}
	if n, _ := m.Wake(to, 10, all); n != 1 || !ws[1].Woken() {
		t.Error(n)
	}
}

func op(op, cmp, oparg, cmparg uint32) uint32 {
	return op<<28 | cmp<<24 | oparg&0xfff<<12 | cmparg&0xfff
}

func TestWakeOp(t *testing.T) {
	for _, c := range []struct {
		name   string
		op     uint32
		before uint32
		after  uint32
		woken  int
	}{
		{"set, equal", op(linux.FUTEX_OP_SET, linux.FUTEX_OP_CMP_EQ, 5, 3), 3, 5, 2},
		{"set, not equal", op(linux.FUTEX_OP_SET, linux.FUTEX_OP_CMP_EQ, 5, 3), 4, 5, 1},
		{"add", op(linux.FUTEX_OP_ADD, linux.FUTEX_OP_CMP_GT, 0xfff, 0), 4, 3, 2},
		{"or a shifted bit", op(linux.FUTEX_OP_OR|linux.FUTEX_OP_OPARG_SHIFT, linux.FUTEX_OP_CMP_NE, 4, 1), 1, 17, 1},
		{"and not", op(linux.FUTEX_OP_ANDN, linux.FUTEX_OP_CMP_LT, 6, 0), 7, 1, 1},
		{"xor", op(linux.FUTEX_OP_XOR, linux.FUTEX_OP_CMP_LE, 1, 0xfff), 0xffffffff, 0xfffffffe, 2},
		{"at least", op(linux.FUTEX_OP_ADD, linux.FUTEX_OP_CMP_GE, 1, 0), 0, 1, 2},
	} {
		var m Manager
		mem := newMemory(1)
		mem.words[3].Store(c.before)
		first, second := Word{mem, 8, false}, Word{mem, 12, false}
		mustWait(t, &m, first)
		mustWait(t, &m, second)
		if n, err := m.WakeOp(first, second, 1, 1, c.op); n != c.woken || err != nil || mem.words[3].Load() != c.after {
			t.Errorf("%s: %d, %v, word %#x", c.name, n, err, mem.words[3].Load())
		}
	}
	var m Manager
	f := Word{newMemory(1), 8, false}
	for _, bad := range []uint32{op(5, 0, 0, 0), op(0, 6, 0, 0)} {
		if _, err := m.WakeOp(f, f, 1, 1, bad); err != errno.ENOSYS {
			t.Errorf("%#x: %v", bad, err)
		}
	}
}

// everybody is who has a number: task n has id n.
type everybody struct{}

func (everybody) OwnerByTID(tid uint32) (int32, bool) {
	if tid >= 100 {
		return 0, false
	}
	return int32(tid), false
}

func who(n int) Locker { return Locker{TID: uint32(n), ID: int32(n)} }

func TestPI(t *testing.T) {
	var m Manager
	mem := newMemory(1)
	f := Word{mem, 8, false}
	word := &mem.words[2]
	lock := func(n int, prio int32) (*Waiter, bool, error) {
		w := newWaiter()
		l := who(n)
		l.Prio = prio
		ok, err := m.LockPI(w, f, l, everybody{}, false)
		return w, ok, err
	}
	if _, ok, err := lock(1, 0); !ok || err != nil || word.Load() != 1 {
		t.Fatal(ok, err, word.Load())
	}
	if _, _, err := lock(1, 0); err != errno.EDEADLK {
		t.Error("again:", err)
	}
	if _, err := m.LockPI(newWaiter(), f, who(2), everybody{}, true); err != errno.EAGAIN {
		t.Error("try:", err)
	}
	w2, ok, err := lock(2, 0)
	if ok || err != nil || word.Load() != 1|linux.FUTEX_WAITERS {
		t.Fatal(ok, err, word.Load())
	}
	w3, _, _ := lock(3, 0)
	w4, _, _ := lock(4, -5)
	if err := m.UnlockPI(f, who(2)); err != errno.EPERM {
		t.Error("unlock by a stranger:", err)
	}
	if _, err := m.Wake(f, 1, all); err != errno.EINVAL {
		t.Error("plain wake:", err)
	}
	if err := m.UnlockPI(f, who(1)); err != nil || !w4.Woken() || word.Load() != 4|linux.FUTEX_WAITERS {
		t.Error("the best priority goes first:", err, word.Load())
	}
	if !m.Cancel(w2) {
		t.Error("cancel")
	}
	m.OwnerExited(4)
	if !w3.Woken() || word.Load() != 3|linux.FUTEX_WAITERS|linux.FUTEX_OWNER_DIED {
		t.Errorf("owner died: %v %#x", w3.Woken(), word.Load())
	}
	if err := m.UnlockPI(f, who(3)); err != nil || word.Load() != 0 {
		t.Error(err, word.Load())
	}
	word.Store(1000)
	if _, _, err := lock(1, 0); err != errno.ESRCH {
		t.Error("unknown owner:", err)
	}
	if len(m.owners.held) != 0 {
		t.Error("owners are left:", m.owners.held)
	}
}

func TestRequeuePI(t *testing.T) {
	var m Manager
	mem := newMemory(1)
	cond, mutex := Word{mem, 8, false}, Word{mem, 12, false}
	word := &mem.words[3]
	var ws []*Waiter
	for i := range 4 {
		w := newWaiter()
		if err := m.WaitRequeuePI(w, cond, mutex, who(i+1), 0, all); err != nil {
			t.Fatal(err)
		}
		ws = append(ws, w)
	}
	if _, err := m.RequeuePI(cond, Word{mem, 16, false}, 1, 0, everybody{}); err != errno.EINVAL {
		t.Error("another target:", err)
	}
	if n, err := m.RequeuePI(cond, mutex, 1, 0, everybody{}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if !ws[0].Woken() || ws[1].Woken() || word.Load() != 1|linux.FUTEX_WAITERS {
		t.Errorf("%#x", word.Load())
	}
	if n, err := m.RequeuePI(cond, mutex, 10, 0, everybody{}); n != 2 || err != nil {
		t.Error(n, err)
	}
	if !m.Cancel(ws[2]) || !ws[2].Moved() {
		t.Error("cancel of a moved waiter")
	}
	m.UnlockPI(mutex, who(1))
	m.UnlockPI(mutex, who(2))
	if !ws[1].Woken() || !ws[3].Woken() || word.Load() != 4|linux.FUTEX_WAITERS {
		t.Errorf("%#x", word.Load())
	}
	m.UnlockPI(mutex, who(4))
	if len(m.owners.held) != 0 {
		t.Error("owners are left:", m.owners.held)
	}
}

// A lock of futexes, as the C library makes it, loses no wake-up.
func TestMutexes_race(t *testing.T) {
	for _, pi := range []bool{false, true} {
		var m Manager
		mem := newMemory(1)
		f := Word{mem, 8, false}
		word := &mem.words[2]
		lock := func(w *Waiter, n int) {
			if pi {
				if word.CompareAndSwap(0, uint32(n)) {
					return
				}
				ok, err := m.LockPI(w, f, who(n), everybody{}, false)
				if err != nil {
					t.Error(err)
				}
				for !ok && !w.Woken() {
					<-w.Entry.Waiter.(sleeper).token
				}
				return
			}
			for v := word.Swap(2); v != 0; v = word.Swap(2) {
				if m.Wait(w, f, 2, all) == nil {
					for !w.Woken() {
						<-w.Entry.Waiter.(sleeper).token
					}
				}
			}
		}
		unlock := func(n int) {
			if pi {
				if !word.CompareAndSwap(uint32(n), 0) {
					if err := m.UnlockPI(f, who(n)); err != nil {
						t.Error(err)
					}
				}
				return
			}
			word.Store(0)
			m.Wake(f, 1, all)
		}
		shared := 0
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				w := newWaiter()
				for range 2000 {
					lock(w, n+1)
					shared++
					unlock(n + 1)
				}
			})
		}
		wg.Wait()
		if shared != 16000 {
			t.Errorf("pi %v: %d", pi, shared)
		}
	}
}

func BenchmarkWake_without_waiters(b *testing.B) {
	var m Manager
	f := Word{newMemory(1), 8, false}
	for b.Loop() {
		m.Wake(f, 1, all)
	}
}
