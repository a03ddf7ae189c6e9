package kernel

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/platform"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
)

var _ usermem.IO = (*memory)(nil)

// memory is a task's memory as its system calls reach it: an access that a userfaultfd has to resolve first sleeps,
// as it does in Linux's kernel mode, until that is done or the task dies. Task goroutine only.
type memory Task

// Memory is what moves bytes for t, and may sleep: no lock that others need in order to go on may be held. MM
// instead fails with EFAULT where a userfaultfd is in the way.
func (t *Task) Memory() usermem.IO { return (*memory)(t) }

// maxRetries bounds how often an access is tried again without getting any further.
const maxRetries = 1000

// Retry reports whether an access of m at a that failed with err is to be tried again, for the tries+1st time: it
// waits if a userfaultfd has to resolve it.
func (t *Task) Retry(m *mm.MM, a addr.Addr, access platform.Prot, err error, tries int) bool {
	if err != errno.EFAULT || tries == maxRetries || t.dying {
		return false
	}
	err = m.Resolve(a, access)
	return err == nil || t.AwaitFault(err)
}

// AwaitFault sleeps if err is a *mm.UserFault, until it is resolved, and reports whether to
// try again: not if the task is to die.
func (t *Task) AwaitFault(err error) bool {
	f, ok := err.(*mm.UserFault)
	return ok && t.awaitFault(f, t.blockKillable) == nil
}

func (t *Task) awaitFault(f *mm.UserFault, block func() error) error {
	w := f.Enter(t, t.TID())
	defer w.Leave()
	if !f.Stands() {
		return nil
	}
	for !w.Over() {
		if err := block(); err != nil {
			return err
		}
	}
	return nil
}

// MemoryEvents collects what a call changes of the address space that userfaultfds want to know, for AwaitEvents.
func (t *Task) MemoryEvents() *mm.Events { return &t.memEvents }

// AwaitEvents tells userfaultfds what a call changed and waits until they know. Task goroutine only.
func (t *Task) AwaitEvents() {
	list := t.memEvents.List
	t.memEvents.List = nil
	for _, e := range list {
		e.Post(t)
		for !e.Over() && t.blockKillable() == nil {
		}
		e.Leave()
	}
}

// MaySleep is for usermem.Sequence.
func (w *memory) MaySleep() bool { return w.mm.Watched() }

func (w *memory) retry(a addr.Addr, access platform.Prot, err error, tries int) bool {
	return err != nil && (*Task)(w).Retry(w.mm, a, access, err, tries)
}

// CopyIn implements usermem.IO.
func (w *memory) CopyIn(a addr.Addr, dst []byte) (int, error) {
	n, err := w.mm.CopyIn(a, dst)
	for tries := 0; w.retry(a+addr.Addr(n), platform.Read, err, tries); tries++ {
		var k int
		if k, err = w.mm.CopyIn(a+addr.Addr(n), dst[n:]); k > 0 {
			n, tries = n+k, 0
		}
	}
	return n, err
}

// CopyOut implements usermem.IO.
func (w *memory) CopyOut(a addr.Addr, src []byte) (int, error) {
	n, err := w.mm.CopyOut(a, src)
	for tries := 0; w.retry(a+addr.Addr(n), platform.Write, err, tries); tries++ {
		var k int
		if k, err = w.mm.CopyOut(a+addr.Addr(n), src[n:]); k > 0 {
			n, tries = n+k, 0
		}
	}
	return n, err
}

// ZeroOut implements usermem.IO.
func (w *memory) ZeroOut(a addr.Addr, n uint64) (uint64, error) {
	done, err := w.mm.ZeroOut(a, n)
	for tries := 0; w.retry(a+addr.Addr(done), platform.Write, err, tries); tries++ {
		var k uint64
		if k, err = w.mm.ZeroOut(a+addr.Addr(done), n-done); k > 0 {
			done, tries = done+k, 0
		}
	}
	return done, err
}

// Blocks implements usermem.IO.
func (w *memory) Blocks(r addr.Range, write bool, fn func(blocks [][]byte) (int, error)) (used, lent int, err error) {
	access := platform.Read
	if write {
		access = platform.Write
	}
	used, lent, err = w.mm.Blocks(r, write, fn)
	for tries := 0; lent == 0 && w.retry(r.Start, access, err, tries); tries++ {
		used, lent, err = w.mm.Blocks(r, write, fn)
	}
	return used, lent, err
}

// LoadUint32 implements usermem.IO.
func (w *memory) LoadUint32(a addr.Addr) (uint32, error) {
	v, err := w.mm.LoadUint32(a)
	for tries := 0; w.retry(a, platform.Read, err, tries); tries++ {
		v, err = w.mm.LoadUint32(a)
	}
	return v, err
}

// SwapUint32 implements usermem.IO.
func (w *memory) SwapUint32(a addr.Addr, v uint32) (uint32, error) {
	old, err := w.mm.SwapUint32(a, v)
	for tries := 0; w.retry(a, platform.Write, err, tries); tries++ {
		old, err = w.mm.SwapUint32(a, v)
	}
	return old, err
}

// CompareAndSwapUint32 implements usermem.IO.
func (w *memory) CompareAndSwapUint32(a addr.Addr, old, v uint32) (uint32, error) {
	found, err := w.mm.CompareAndSwapUint32(a, old, v)
	for tries := 0; w.retry(a, platform.Write, err, tries); tries++ {
		found, err = w.mm.CompareAndSwapUint32(a, old, v)
	}
	return found, err
}
