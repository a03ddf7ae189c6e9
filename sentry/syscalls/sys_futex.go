package syscalls

import (
	"math"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/futex"
	"ringfence/sentry/kernel"
)

var futexCalls = []line{
	{linux.SYS_FUTEX, "futex", sysFutex, kernel.Full, "FUTEX_WAIT FUTEX_WAKE FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI FUTEX_LOCK_PI2 FUTEX_TRYLOCK_PI FUTEX_UNLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI FUTEX_CMP_REQUEUE_PI FUTEX_PRIVATE_FLAG FUTEX_CLOCK_REALTIME", "priorities order waiters but lift nobody's"},
	{linux.SYS_FUTEX_WAITV, "futex_waitv", sysFutexWaitv, kernel.Full, "FUTEX2_SIZE_U32 FUTEX2_PRIVATE", ""},
	{linux.SYS_FUTEX_WAKE, "futex_wake", sysFutexWake, kernel.Full, "FUTEX2_SIZE_U32 FUTEX2_PRIVATE", ""},
	{linux.SYS_FUTEX_WAIT, "futex_wait", sysFutexWait, kernel.Full, "FUTEX2_SIZE_U32 FUTEX2_PRIVATE", ""},
	{linux.SYS_FUTEX_REQUEUE, "futex_requeue", sysFutexRequeue, kernel.Full, "FUTEX2_SIZE_U32 FUTEX2_PRIVATE", ""},
}

func sysFutex(t *kernel.Task, a *arch.Args) (uint64, error) {
	op := a[1].Uint()
	cmd := op & linux.FUTEX_CMD_MASK
	realtime := op&linux.FUTEX_CLOCK_REALTIME != 0
	shared := op&linux.FUTEX_PRIVATE_FLAG == 0
	f := futex.Word{Mem: t.MM(), Addr: a[0].Addr(), Shared: shared}
	second := futex.Word{Mem: t.MM(), Addr: a[4].Addr(), Shared: shared}
	val, val3 := a[2].Uint(), a[5].Uint()
	futexes := &t.Kernel().Futexes
	if realtime {
		switch cmd {
		case linux.FUTEX_WAIT_BITSET, linux.FUTEX_WAIT_REQUEUE_PI, linux.FUTEX_LOCK_PI2:
		default:
			return 0, errno.ENOSYS
		}
	}
	switch cmd {
	case linux.FUTEX_WAIT, linux.FUTEX_WAIT_BITSET:
		bitset := uint32(linux.FUTEX_BITSET_MATCH_ANY)
		if cmd == linux.FUTEX_WAIT_BITSET {
			bitset = val3
		}
		deadline, err := futexDeadline(t, a[3].Addr(), cmd == linux.FUTEX_WAIT, realtime)
		if err != nil {
			return 0, err
		}
		return 0, futexWait(t, f, val, bitset, deadline, linux.SYS_FUTEX, a)
	case linux.FUTEX_WAKE:
		return count(futexes.Wake(f, int(int32(val)), linux.FUTEX_BITSET_MATCH_ANY))
	case linux.FUTEX_WAKE_BITSET:
		return count(futexes.Wake(f, int(int32(val)), val3))
	case linux.FUTEX_REQUEUE:
		return count(futexes.Requeue(f, second, int(int32(val)), int(a[3].Int()), nil))
	case linux.FUTEX_CMP_REQUEUE:
		touchWord(t, f)
		return count(futexes.Requeue(f, second, int(int32(val)), int(a[3].Int()), &val3))
	case linux.FUTEX_WAKE_OP:
		return count(futexes.WakeOp(f, second, int(int32(val)), int(a[3].Int()), val3))
	case linux.FUTEX_LOCK_PI, linux.FUTEX_LOCK_PI2, linux.FUTEX_TRYLOCK_PI:
		deadline := kernel.Forever
		if cmd != linux.FUTEX_TRYLOCK_PI {
			var err error
			if deadline, err = futexDeadline(t, a[3].Addr(), false, realtime || cmd == linux.FUTEX_LOCK_PI); err != nil {
				return 0, err
			}
		}
		return 0, futexLockPI(t, f, deadline, cmd == linux.FUTEX_TRYLOCK_PI)
	case linux.FUTEX_UNLOCK_PI:
		return 0, futexes.UnlockPI(f, t.FutexLocker())
	case linux.FUTEX_WAIT_REQUEUE_PI:
		deadline, err := futexDeadline(t, a[3].Addr(), false, realtime)
		if err != nil {
			return 0, err
		}
		touchWord(t, f)
		return 0, futexWaitRequeuePI(t, f, second, val, deadline)
	case linux.FUTEX_CMP_REQUEUE_PI:
		if int32(val) != 1 {
			return 0, errno.EINVAL
		}
		touchWord(t, f)
		return count(futexes.RequeuePI(f, second, int(a[3].Int()), val3, t))
	}
	return 0, errno.ENOSYS
}

// touchWord has the word of a futex call filled if a userfaultfd withholds it: the call itself looks at it with a lock that
// others need, and would fail there. As on Linux, a word that the call is to change is not waited for.
func touchWord(t *kernel.Task, f futex.Word) {
	if t.MM().Watched() {
		t.Memory().LoadUint32(f.Addr)
	}
}

func count(n int, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return uint64(n), nil
}

// futexDeadline reads a timeout and returns it in monotonic nanoseconds.
func futexDeadline(t *kernel.Task, a addr.Addr, relative, realtime bool) (int64, error) {
	if b := t.Restarting(); b != nil {
		return b.Deadline, nil
	}
	if a == 0 {
		return kernel.Forever, nil
	}
	var ts linux.Timespec
	if err := t.CopyInTimespec(a, &ts); err != nil {
		return 0, err
	}
	if !ts.Valid() {
		return 0, errno.EINVAL
	}
	ns := ts.Nanoseconds()
	k := t.Kernel()
	switch {
	case relative:
		ns = addSaturated(k.Monotonic(), ns)
	case realtime:
		ns = addSaturated(ns, k.Monotonic()-k.Now())
	default:
		ns = t.ToKernelTime(linux.CLOCK_MONOTONIC, ns)
	}
	return max(ns, 1), nil // 0 would be Forever
}

func addSaturated(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// futexWait waits for a wake-up. call is where a wait with a timeout is restarted.
func futexWait(t *kernel.Task, f futex.Word, val, bitset uint32, deadline int64, call uint64, a *arch.Args) error {
	touchWord(t, f)
	w := &t.FutexWaiter
	w.Entry.Waiter = t
	if err := t.Kernel().Futexes.Wait(w, f, val, bitset); err != nil {
		return err
	}
	err := t.FutexSleep(w, deadline)
	if err == kernel.ErrInterrupted && deadline != kernel.Forever {
		return t.SetRestart(call, a, deadline)
	}
	return err
}

func futexLockPI(t *kernel.Task, f futex.Word, deadline int64, try bool) error {
	w := futex.Waiter{Entry: wait.Entry{Waiter: t}}
	acquired, err := t.Kernel().Futexes.LockPI(&w, f, t.FutexLocker(), t, try)
	if err != nil || acquired {
		return err
	}
	err = t.FutexSleep(&w, deadline)
	if err == kernel.ErrInterrupted {
		return errno.ERESTARTNOINTR
	}
	return err
}

func futexWaitRequeuePI(t *kernel.Task, f, target futex.Word, val uint32, deadline int64) error {
	w := futex.Waiter{Entry: wait.Entry{Waiter: t}}
	err := t.Kernel().Futexes.WaitRequeuePI(&w, f, target, t.FutexLocker(), val, linux.FUTEX_BITSET_MATCH_ANY)
	if err != nil {
		return err
	}
	err = t.FutexSleep(&w, deadline)
	if err == kernel.ErrInterrupted {
		if w.Moved() {
			return errno.EAGAIN // the first word is of no use any more; the C library locks
		}
		return errno.ERESTARTNOINTR
	}
	return err
}

// futex2Word checks the flags of the newer calls, which name one size so far.
func futex2Word(t *kernel.Task, a addr.Addr, flags uint32) (futex.Word, error) {
	if flags&^uint32(linux.FUTEX2_SIZE_MASK|linux.FUTEX2_PRIVATE) != 0 ||
		flags&linux.FUTEX2_SIZE_MASK != linux.FUTEX2_SIZE_U32 {
		return futex.Word{}, errno.EINVAL
	}
	return futex.Word{Mem: t.MM(), Addr: a, Shared: flags&linux.FUTEX2_PRIVATE == 0}, nil
}

// futex2Deadline reads an absolute timeout on one of two clocks.
func futex2Deadline(t *kernel.Task, a addr.Addr, clock int32) (int64, error) {
	if a != 0 && clock != linux.CLOCK_REALTIME && clock != linux.CLOCK_MONOTONIC {
		return 0, errno.EINVAL
	}
	return futexDeadline(t, a, false, clock == linux.CLOCK_REALTIME)
}

func sysFutexWake(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := futex2Word(t, a[0].Addr(), a[3].Uint())
	if err != nil {
		return 0, err
	}
	if a[1].Uint64() > math.MaxUint32 || a[1] == 0 {
		return 0, errno.EINVAL
	}
	if a[2].Int() == 0 {
		_, err := futex.KeyOf(f.Mem, f.Addr, f.Shared)
		return 0, err
	}
	return count(t.Kernel().Futexes.Wake(f, int(a[2].Int()), a[1].Uint()))
}

func sysFutexWait(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := futex2Word(t, a[0].Addr(), a[3].Uint())
	if err != nil {
		return 0, err
	}
	if a[1].Uint64() > math.MaxUint32 || a[2].Uint64() > math.MaxUint32 {
		return 0, errno.EINVAL
	}
	deadline, err := futex2Deadline(t, a[4].Addr(), a[5].Int())
	if err != nil {
		return 0, err
	}
	return 0, futexWait(t, f, a[1].Uint(), a[2].Uint(), deadline, linux.SYS_FUTEX_WAIT, a)
}

// copyInWaitv reads n struct futex_waitv.
func copyInWaitv(t *kernel.Task, a addr.Addr, n uint32) ([]futex.Word, []uint32, error) {
	words, vals := make([]futex.Word, n), make([]uint32, n)
	for i := range words {
		var v linux.FutexWaitv
		if err := t.CopyInStruct(a+addr.Addr(i*v.SizeBytes()), &v); err != nil {
			return nil, nil, err
		}
		f, err := futex2Word(t, addr.Addr(v.Uaddr), v.Flags)
		if err != nil || v.Reserved != 0 || v.Val > math.MaxUint32 {
			return nil, nil, errno.EINVAL
		}
		words[i], vals[i] = f, uint32(v.Val)
	}
	return words, vals, nil
}

func sysFutexRequeue(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1].Uint() != 0 || a[0] == 0 {
		return 0, errno.EINVAL
	}
	words, vals, err := copyInWaitv(t, a[0].Addr(), 2)
	if err != nil {
		return 0, err
	}
	touchWord(t, words[0])
	return count(t.Kernel().Futexes.Requeue(words[0], words[1], int(a[2].Int()), int(a[3].Int()), &vals[0]))
}

func sysFutexWaitv(t *kernel.Task, a *arch.Args) (uint64, error) {
	n := a[1].Uint()
	if a[2].Uint() != 0 || n == 0 || n > linux.FUTEX_WAITV_MAX || a[0] == 0 {
		return 0, errno.EINVAL
	}
	deadline, err := futex2Deadline(t, a[3].Addr(), a[4].Int())
	if err != nil {
		return 0, err
	}
	words, vals, err := copyInWaitv(t, a[0].Addr(), n)
	if err != nil {
		return 0, err
	}
	futexes := &t.Kernel().Futexes
	ws := make([]futex.Waiter, n)
	queued := 0
	// cancel takes out all waiters and returns the last one that was woken, or -1.
	cancel := func() int {
		woken := -1
		for i := range ws[:queued] {
			if !futexes.Cancel(&ws[i]) {
				woken = i
			}
		}
		return woken
	}
	for ; queued < int(n); queued++ {
		ws[queued].Entry.Waiter = t
		touchWord(t, words[queued])
		if err := futexes.Wait(&ws[queued], words[queued], vals[queued], linux.FUTEX_BITSET_MATCH_ANY); err != nil {
			if i := cancel(); i >= 0 {
				return uint64(i), nil
			}
			return 0, err
		}
	}
	for {
		for i := range ws {
			if ws[i].Woken() {
				return uint64(max(cancel(), i)), nil
			}
		}
		if err := t.BlockUntil(deadline); err != nil {
			if i := cancel(); i >= 0 {
				return uint64(i), nil
			}
			return 0, err
		}
	}
}
