package syscalls

import (
	"fmt"
	"strings"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/kernel"
	"ringfence/sentry/uring"
	"ringfence/sentry/vfs"
)

const ioSetupFlagNames = "IOPOLL SQPOLL SQ_AFF CQSIZE CLAMP ATTACH_WQ R_DISABLED SUBMIT_ALL COOP_TASKRUN TASKRUN_FLAG SQE128 CQE32 SINGLE_ISSUER DEFER_TASKRUN NO_SQARRAY"

var uringCalls = []line{
	{linux.SYS_IO_URING_SETUP, "io_uring_setup", sysIoUringSetup, kernel.Full, ioSetupFlagNames, "no NO_MMAP; no file polls for completions (IOPOLL)"},
	{linux.SYS_IO_URING_ENTER, "io_uring_enter", sysIoUringEnter, kernel.Full, "GETEVENTS SQ_WAKEUP SQ_WAIT EXT_ARG REGISTERED_RING ABS_TIMER", "of URING_CMD nothing"},
	{linux.SYS_IO_URING_REGISTER, "io_uring_register", sysIoUringRegister, kernel.Full, "", "no NAPI"},
}

const ioSetupFlags = linux.IORING_SETUP_IOPOLL | linux.IORING_SETUP_SQPOLL | linux.IORING_SETUP_SQ_AFF | linux.IORING_SETUP_CQSIZE |
	linux.IORING_SETUP_CLAMP | linux.IORING_SETUP_ATTACH_WQ | linux.IORING_SETUP_R_DISABLED | linux.IORING_SETUP_SUBMIT_ALL |
	linux.IORING_SETUP_COOP_TASKRUN | linux.IORING_SETUP_TASKRUN_FLAG | linux.IORING_SETUP_SQE128 | linux.IORING_SETUP_CQE32 |
	linux.IORING_SETUP_SINGLE_ISSUER | linux.IORING_SETUP_DEFER_TASKRUN | linux.IORING_SETUP_NO_SQARRAY

const ioFeatures = linux.IORING_FEAT_SINGLE_MMAP | linux.IORING_FEAT_NODROP | linux.IORING_FEAT_SUBMIT_STABLE | linux.IORING_FEAT_RW_CUR_POS |
	linux.IORING_FEAT_CUR_PERSONALITY | linux.IORING_FEAT_FAST_POLL | linux.IORING_FEAT_POLL_32BITS | linux.IORING_FEAT_SQPOLL_NONFIXED |
	linux.IORING_FEAT_EXT_ARG | linux.IORING_FEAT_NATIVE_WORKERS | linux.IORING_FEAT_RSRC_TAGS | linux.IORING_FEAT_CQE_SKIP |
	linux.IORING_FEAT_LINKED_FILE | linux.IORING_FEAT_REG_REG_RING

func sysIoUringSetup(t *kernel.Task, a *arch.Args) (uint64, error) {
	if !t.Kernel().IOUring.Allows(t) {
		return 0, errno.EPERM
	}
	var p linux.IOUringParams
	if err := t.CopyInStruct(a[1].Addr(), &p); err != nil {
		return 0, err
	}
	if p.Resv != [3]uint32{} {
		return 0, errno.EINVAL
	}
	if err := checkIOSetup(t, &p); err != nil {
		return 0, err
	}
	if err := uring.Sizes(a[0].Uint(), &p); err != nil {
		return 0, err
	}
	r := &ioRing{k: t.Kernel(), flags: p.Flags, disabled: p.Flags&linux.IORING_SETUP_R_DISABLED != 0, clock: linux.CLOCK_MONOTONIC}
	if p.Flags&linux.IORING_SETUP_SINGLE_ISSUER != 0 && !r.disabled {
		r.creator = t
	}
	var err error
	if r.ring, err = uring.New(t.Kernel().MemFile, &p, &r.layout); err != nil {
		return 0, err
	}
	if p.Flags&linux.IORING_SETUP_TASKRUN_FLAG != 0 {
		r.flagged = r.ring
	}
	if p.Flags&linux.IORING_SETUP_SQPOLL != 0 {
		r.startPoller(t, p.SQThreadIdle)
	}
	p.Features = ioFeatures
	f := t.Kernel().VFS.NewAnonFile("[io_uring]", r, linux.O_RDWR, vfs.FModeRead|vfs.FModeWrite, t.Creds())
	if err := t.CopyOutStruct(a[1].Addr(), &p); err != nil {
		f.DecRef()
		return 0, err
	}
	fd, err := t.InstallNew(f, linux.O_CLOEXEC)
	return uint64(fd), err
}

// checkIOSetup refuses flags that are unknown or make no sense together.
func checkIOSetup(t *kernel.Task, p *linux.IOUringParams) error {
	has := func(f uint32) bool { return p.Flags&f != 0 }
	tasks := has(linux.IORING_SETUP_COOP_TASKRUN | linux.IORING_SETUP_DEFER_TASKRUN)
	switch {
	case has(^uint32(ioSetupFlags)),
		has(linux.IORING_SETUP_SQPOLL) && (tasks || has(linux.IORING_SETUP_TASKRUN_FLAG)),
		has(linux.IORING_SETUP_TASKRUN_FLAG) && !tasks,
		has(linux.IORING_SETUP_DEFER_TASKRUN) && !has(linux.IORING_SETUP_SINGLE_ISSUER),
		has(linux.IORING_SETUP_SQ_AFF) && (!has(linux.IORING_SETUP_SQPOLL) || int(p.SQThreadCPU) >= t.Kernel().CPUs):
		return errno.EINVAL
	case has(linux.IORING_SETUP_ATTACH_WQ):
		// Workers are everybody's; only the check is left.
		f, err := t.GetFile(int32(p.WQFD))
		if err != nil {
			return errno.ENXIO
		}
		defer f.DecRef()
		if other := ioRingOf(f); other == nil || has(linux.IORING_SETUP_SQPOLL) && other.poller == nil {
			return errno.EINVAL
		}
	}
	return nil
}

// ioRingOf returns the ring that f is, or nil.
func ioRingOf(f *vfs.File) *ioRing {
	r, _ := f.Ops.(*ioRing)
	return r
}

// ioRingAt returns the ring of a descriptor, or of a place among the task's registered rings. The file is the caller's to drop.
func ioRingAt(t *kernel.Task, fd int32, registered bool) (*vfs.File, *ioRing, error) {
	var f *vfs.File
	if registered {
		if uint32(fd) >= linux.IORING_MAX_RING_FDS {
			return nil, nil, errno.EINVAL
		}
		if f = *t.RegisteredRing(int(fd)); f == nil {
			return nil, nil, errno.EBADF
		}
		f.IncRef()
	} else {
		var err error
		if f, err = t.GetFile(fd); err != nil {
			return nil, nil, err
		}
	}
	r := ioRingOf(f)
	if r == nil {
		f.DecRef()
		return nil, nil, errno.EOPNOTSUPP
	}
	return f, r, nil
}

// mayUse returns EEXIST if t is not the one task that a ring with IORING_SETUP_SINGLE_ISSUER is for.
func (r *ioRing) mayUse(t *kernel.Task) error {
	if r.flags&linux.IORING_SETUP_SINGLE_ISSUER == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.creator != nil && r.creator != t {
		return errno.EEXIST
	}
	return nil
}

func sysIoUringEnter(t *kernel.Task, a *arch.Args) (uint64, error) {
	const known = linux.IORING_ENTER_GETEVENTS | linux.IORING_ENTER_SQ_WAKEUP | linux.IORING_ENTER_SQ_WAIT | linux.IORING_ENTER_EXT_ARG |
		linux.IORING_ENTER_REGISTERED_RING | linux.IORING_ENTER_ABS_TIMER
	count, least, flags := a[1].Uint(), a[2].Uint(), a[3].Uint()
	if flags&^known != 0 {
		return 0, errno.EINVAL
	}
	f, r, err := ioRingAt(t, a[0].Int(), flags&linux.IORING_ENTER_REGISTERED_RING != 0)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if r.isDisabled() {
		return 0, errno.EBADFD
	}
	done := uint32(0)
	if p := r.poller; p != nil {
		if p.gone.Load() {
			return 0, errno.EOWNERDEAD
		}
		if flags&linux.IORING_ENTER_SQ_WAKEUP != 0 {
			p.wake()
		}
		if flags&linux.IORING_ENTER_SQ_WAIT != 0 {
			if err := p.waitRoom(t); err != nil {
				return 0, err
			}
		}
		done = count
	} else if count > 0 {
		if err := r.mayUse(t); err != nil {
			return 0, err
		}
		r.submitMu.Lock()
		done, err = r.submit(t, count)
		r.submitMu.Unlock()
		if err != nil {
			return 0, err
		}
		if done != count {
			return uint64(done), nil
		}
	}
	if flags&linux.IORING_ENTER_GETEVENTS == 0 {
		return uint64(done), nil
	}
	err = r.getEvents(t, least, flags, a[4].Addr(), a[5].Size())
	if done > 0 {
		return uint64(done), nil
	}
	return 0, err
}

// getEvents waits for least completions.
func (r *ioRing) getEvents(t *kernel.Task, least, flags uint32, arg addr.Addr, size uint64) error {
	var ext linux.IOUringGeteventsArg
	if flags&linux.IORING_ENTER_EXT_ARG != 0 {
		if size != uint64(ext.SizeBytes()) {
			return errno.EINVAL
		}
		if err := t.CopyInStruct(arg, &ext); err != nil {
			return err
		}
		arg, size = addr.Addr(ext.Sigmask), uint64(ext.SigmaskSz)
		if ext.MinWaitUsec != 0 {
			return errno.EINVAL // no IORING_FEAT_MIN_TIMEOUT
		}
	}
	if r.flags&linux.IORING_SETUP_DEFER_TASKRUN != 0 {
		if err := r.mayUse(t); err != nil {
			return err
		}
		r.runOwnWork()
	}
	r.mu.Lock()
	r.ring.Flush()
	lost := r.ring.TakeLost()
	ready := r.ring.Ready() >= min(least, r.ring.CQEntries())
	before := r.expired
	r.mu.Unlock()
	switch {
	case lost:
		return errno.EBADR
	case ready:
		return nil
	}
	deadline := kernel.Forever
	if ext.TS != 0 {
		var ts linux.Timespec
		if err := t.CopyInTimespec(addr.Addr(ext.TS), &ts); err != nil {
			return err
		}
		deadline = r.deadline(t, ts.Nanoseconds(), flags&linux.IORING_ENTER_ABS_TIMER != 0)
	}
	if err := setTempMask(t, arg, size); err != nil {
		return err
	}
	err := r.waitEvents(t, min(least, r.ring.CQEntries()), before, deadline)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && r.ring.Ready() > 0 {
		return nil
	}
	return err
}

// deadline returns when a wait for ns nanoseconds of the ring's clock ends, for BlockUntil.
func (r *ioRing) deadline(t *kernel.Task, ns int64, abs bool) int64 {
	k := t.Kernel()
	if !abs {
		return k.DeadlineAfter(ns)
	}
	r.mu.Lock()
	clock := r.clock
	r.mu.Unlock()
	now, err := k.Timers.Clocks.Now(clock)
	if err != nil {
		now = k.Monotonic()
	}
	return k.DeadlineAfter(ns - now)
}

// waitEvents waits for least completions, or until a timeout has completed since their number was before.
func (r *ioRing) waitEvents(t *kernel.Task, least, before uint32, deadline int64) error {
	e := wait.Entry{Waiter: t, Mask: wait.In}
	r.events.Register(&e)
	defer r.events.Unregister(&e)
	for {
		more := r.flags&linux.IORING_SETUP_DEFER_TASKRUN != 0 && r.runOwnWork()
		r.mu.Lock()
		over := r.ring.Ready() >= least || r.expired != before || len(r.ring.Overflowed()) > 0 ||
			r.flags&linux.IORING_SETUP_IOPOLL != 0 && r.active == 0
		r.mu.Unlock()
		if over {
			return nil
		}
		if more {
			continue
		}
		switch err := t.BlockUntil(deadline); err {
		case nil:
		case errno.ETIMEDOUT:
			return errno.ETIME
		default:
			return errno.EINTR
		}
	}
}

// FDInfo returns the lines of /proc/PID/fdinfo.
func (r *ioRing) FDInfo(*vfs.File) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring == nil {
		return ""
	}
	st := r.ring.State()
	var b strings.Builder
	fmt.Fprintf(&b, "SqMask:\t0x%x\nSqHead:\t%d\nSqTail:\t%d\nCachedSqHead:\t%d\n", st.SQMask, st.SQHead, st.SQTail, st.SQTaken)
	fmt.Fprintf(&b, "CqMask:\t0x%x\nCqHead:\t%d\nCqTail:\t%d\nCachedCqTail:\t%d\n", st.CQMask, st.CQHead, st.CQTail, st.CQOwn)
	fmt.Fprintf(&b, "SQEs:\t%d\nCQEs:\t%d\n", st.SQTail-st.SQHead, st.CQTail-st.CQHead)
	b.WriteString("SqThread:\t-1\nSqThreadCpu:\t-1\n") // the poller is no thread of the guest's
	fmt.Fprintf(&b, "UserFiles:\t%d\n", len(r.resources.files))
	fmt.Fprintf(&b, "UserBufs:\t%d\n", len(r.resources.buffers))
	for i, x := range r.resources.buffers {
		if x.mm != nil {
			fmt.Fprintf(&b, "%5d: 0x%x/%d\n", i, uint64(x.r.Start), x.r.Len())
		}
	}
	b.WriteString("PollList:\n")
	for q := r.first; q != nil; q = q.next {
		if q.queue != nil {
			fmt.Fprintf(&b, "  op=%d, task_works=0\n", q.sqe.Opcode)
		}
	}
	b.WriteString("CqOverflowList:\n")
	for _, c := range r.ring.Overflowed() {
		fmt.Fprintf(&b, "  user_data=%d, res=%d, flags=%x\n", c.UserData, c.Res, c.Flags)
	}
	return b.String()
}
