package kernel

import (
	"cmp"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/fs/epoll"
	"ringfence/sentry/mm"
	"ringfence/sentry/vfs"
)

// Rusage returns what the task has used (RUSAGE_THREAD). Task goroutine only.
func (t *Task) Rusage() linux.Rusage {
	var u usageTotals
	u.addTask(&t.usage)
	u.maxrss = int64(t.mm.Stats().VmHWM >> 10)
	user, system := t.CPUTimes()
	return u.rusage(user, system)
}

// Rusage returns what the tasks of the process have used (RUSAGE_SELF).
func (tg *ThreadGroup) Rusage() linux.Rusage {
	var rss int64
	if m := tg.Leader().AcquireMM(); m != nil {
		rss = int64(m.Stats().VmHWM >> 10)
		m.DecUsers()
	}
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	u := tg.deadUsage
	for _, t := range tg.threads {
		u.addTask(&t.usage)
	}
	u.maxrss = max(u.maxrss, rss)
	user, system := tg.cpuTimesLocked()
	return u.rusage(user, system)
}

// ChildRusage returns what children that were waited for have used (RUSAGE_CHILDREN).
func (tg *ThreadGroup) ChildRusage() linux.Rusage {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	return tg.childUsage.rusage(tg.childCPU.user, tg.childCPU.system)
}

// LimitChanged makes a new resource limit count at once.
func (tg *ThreadGroup) LimitChanged(resource int) {
	switch resource {
	case linux.RLIMIT_AS, linux.RLIMIT_DATA, linux.RLIMIT_STACK, linux.RLIMIT_MEMLOCK:
		t := tg.Leader()
		if m := t.AcquireMM(); m != nil {
			m.SetLimits(t.memoryLimits())
			m.DecUsers()
		}
	case linux.RLIMIT_CPU:
		tg.watchCPULimit()
	}
}

// Interrupted reports whether the task has something to do on its way to the guest: a
// long call had better return what it has. Task goroutine only.
func (t *Task) Interrupted() bool { return t.pending.Load() }

// KickGroup makes all running tasks of the process enter the kernel, which is a full memory barrier
// (membarrier(2)); KickAll does so with all tasks of the kernel.
func (t *Task) KickGroup() {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	t.tg.kickLocked(t)
}

func (t *Task) KickAll() {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	for _, x := range t.k.PIDNS.tasks {
		if x.tg.leader == x {
			x.tg.sigMu.Lock()
			x.tg.kickLocked(t)
			x.tg.sigMu.Unlock()
		}
	}
}

func (tg *ThreadGroup) kickLocked(but *Task) {
	for _, x := range tg.threads {
		if x != but && x.cpu.inGuest() {
			x.ctx.Interrupt()
		}
	}
}

// RegisterMembarrier remembers a registration of membarrier(2) for the address space.
func (t *Task) RegisterMembarrier(bit uint32) {
	t.mm.UpdateMeta(func(m *mm.Meta) { m.Membarrier |= bit })
}

// compareFiles orders open files: any stable order will do.
func compareFiles(a, b *vfs.File) int {
	if a == b {
		return 0
	}
	return 1 + (cmp.Compare(a.Inode().Ino(), b.Inode().Ino())+1)/2
}

// compareTarget is KCMP_EPOLL_TFD: it compares a file with one that an epoll file watches.
func compareTarget(xf *FDTable, fd int32, yf *FDTable, slot *linux.KcmpEpollSlot) (int, error) {
	if xf == nil || yf == nil {
		return 0, errno.EBADF
	}
	a, err := xf.Get(fd)
	if err != nil {
		return 0, err
	}
	defer a.DecRef()
	f, err := yf.Get(int32(slot.EFD))
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	ep := epoll.Of(f)
	if ep == nil {
		return 0, errno.EINVAL
	}
	b := ep.Target(int32(slot.TFD), int(slot.Toff))
	if b == nil {
		return 0, errno.ENOENT
	}
	return compareFiles(a, b), nil
}

// Compare is kcmp(2): 0 if x and y share a resource, 1 or 2 for an order between others, 3 if they are unordered.
func Compare(x, y *Task, kind int32, ix, iy uint64, slot linux.KcmpEpollSlot) (int, error) {
	x.mu.Lock()
	xm, xf, xs, xu := x.mm, x.files, x.fs, x.sysvUndo
	x.mu.Unlock()
	y.mu.Lock()
	ym, yf, ys, yu := y.mm, y.files, y.fs, y.sysvUndo
	y.mu.Unlock()
	same := false
	switch kind {
	case linux.KCMP_FILE:
		a, err := x.fileOf(int32(ix))
		if err != nil {
			return 0, err
		}
		defer a.DecRef()
		b, err := y.fileOf(int32(iy))
		if err != nil {
			return 0, err
		}
		defer b.DecRef()
		return compareFiles(a, b), nil
	case linux.KCMP_EPOLL_TFD:
		return compareTarget(xf, int32(ix), yf, &slot)
	case linux.KCMP_VM:
		same = xm == ym
	case linux.KCMP_FILES:
		same = xf == yf
	case linux.KCMP_FS:
		same = xs == ys
	case linux.KCMP_SIGHAND:
		same = x.tg.handlers == y.tg.handlers
	case linux.KCMP_IO:
		same = true // nobody has a context of its own
	case linux.KCMP_SYSVSEM:
		same = xu == yu
	default:
		return 0, errno.EINVAL
	}
	if same {
		return 0, nil
	}
	return 1 + (cmp.Compare(x.RootTID(), y.RootTID())+1)/2, nil
}

// fileOf returns a file of another task, with a reference.
func (t *Task) fileOf(fd int32) (*vfs.File, error) {
	t.mu.Lock()
	files := t.files
	t.mu.Unlock()
	if files == nil {
		return nil, errno.EBADF
	}
	return files.Get(fd)
}
