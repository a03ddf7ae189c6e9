package syscalls

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/mm"
	"ringfence/sentry/usermem"
)

var processVMCalls = []line{
	{linux.SYS_PROCESS_VM_READV, "process_vm_readv", sysProcessVMReadv, kernel.Full, "", ""},
	{linux.SYS_PROCESS_VM_WRITEV, "process_vm_writev", sysProcessVMWritev, kernel.Full, "", ""},
	{linux.SYS_PROCESS_MADVISE, "process_madvise", sysProcessMadvise, kernel.Full, "MADV_COLD MADV_PAGEOUT MADV_WILLNEED MADV_COLLAPSE", "MADV_COLLAPSE finds no huge pages"},
}

func sysProcessVMReadv(t *kernel.Task, a *arch.Args) (uint64, error)  { return processVM(t, a, false) }
func sysProcessVMWritev(t *kernel.Task, a *arch.Args) (uint64, error) { return processVM(t, a, true) }

// copyInRanges reads n struct iovec of another process: addresses are checked when they are used.
func copyInRanges(t *kernel.Task, a addr.Addr, n uint64) ([]addr.Range, error) {
	if n > linux.IOV_MAX {
		return nil, errno.EINVAL
	}
	b := make([]byte, 16*n)
	if err := t.CopyIn(a, b); err != nil {
		return nil, err
	}
	ranges := make([]addr.Range, n)
	for i := range ranges {
		base := addr.Addr(binary.LittleEndian.Uint64(b[16*i:]))
		size := binary.LittleEndian.Uint64(b[16*i+8:])
		if int64(size) < 0 {
			return nil, errno.EINVAL
		}
		r, ok := base.Range(size)
		if !ok {
			r = addr.Range{Start: base, End: ^addr.Addr(0)}
		}
		ranges[i] = r
	}
	return ranges, nil
}

// processVM moves bytes between the caller's ranges and another process's (mm/process_vm_access.c).
func processVM(t *kernel.Task, a *arch.Args, write bool) (uint64, error) {
	if a[5] != 0 {
		return 0, errno.EINVAL
	}
	local, err := t.CopyInIovecs(a[1].Addr(), a[2].Uint64())
	if err != nil {
		return 0, err
	}
	if local.Len() == 0 {
		return 0, nil
	}
	remote, err := copyInRanges(t, a[3].Addr(), a[4].Uint64())
	if err != nil {
		return 0, err
	}
	x := t.Kernel().Task(t.PIDNamespace(), a[0].Int())
	if x == nil {
		return 0, errno.ESRCH
	}
	if x.ThreadGroup() != t.ThreadGroup() && !t.MayTrace(x, true) {
		return 0, errno.EPERM
	}
	m := x.AcquireMM()
	if m == nil {
		return 0, errno.ESRCH
	}
	defer m.DecUsers()
	// One buffer in between, so that no lock of one address space is held while the other is touched.
	buf := make([]byte, min(local.Len(), 64<<10))
	done := uint64(0)
	for _, r := range remote {
		for !r.Empty() && local.Len() > 0 {
			b := buf[:min(uint64(len(buf)), r.Len(), local.Len())]
			k, err := moveRemote(t, &local, m, r.Start, b, write)
			done += uint64(k)
			r.Start += addr.Addr(k)
			if err != nil || k < len(b) {
				if done > 0 {
					return done, nil
				}
				if err == nil {
					err = errno.EFAULT
				}
				return 0, err
			}
		}
	}
	return done, nil
}

// moveRemote moves up to len(buf) bytes through buf between the caller's memory and m's at a.
func moveRemote(t *kernel.Task, local *usermem.Sequence, m *mm.MM, a addr.Addr, buf []byte, write bool) (int, error) {
	remote, access := m.CopyIn, platform.Read
	if write {
		remote, access = m.CopyOut, platform.Write
	}
	there := func(b []byte) (n int, err error) {
		for tries := 0; ; tries++ {
			n, err = remote(a, b)
			if n > 0 || err == nil || !t.Retry(m, a, access, err, tries) {
				return n, err
			}
		}
	}
	from, to := there, local.CopyOut
	if write {
		from, to = local.CopyIn, there
	}
	n, err := from(buf)
	k, toErr := to(buf[:n])
	if toErr != nil {
		err = toErr
	}
	return k, err
}

func sysProcessMadvise(t *kernel.Task, a *arch.Args) (uint64, error) {
	advice := a[3].Int()
	if a[4].Uint() != 0 {
		return 0, errno.EINVAL
	}
	ranges, err := copyInRanges(t, a[1].Addr(), a[2].Uint64())
	if err != nil {
		return 0, err
	}
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	tg, err := kernel.PIDFDGroup(f)
	if err != nil {
		return 0, err
	}
	switch advice {
	case linux.MADV_COLD, linux.MADV_PAGEOUT, linux.MADV_WILLNEED, linux.MADV_COLLAPSE:
	default:
		return 0, errno.EINVAL
	}
	x := tg.Leader()
	if x == nil {
		return 0, errno.ESRCH
	}
	if tg != t.ThreadGroup() && !t.MayTrace(x, false) {
		return 0, errno.EPERM
	}
	m := x.AcquireMM()
	if m == nil {
		return 0, errno.ESRCH
	}
	defer m.DecUsers()
	if m != t.MM() && !t.Creds().Has(linux.CAP_SYS_NICE) {
		return 0, errno.EPERM
	}
	return adviseRanges(m, ranges, advice)
}

// adviseRanges returns how many bytes were advised before an error.
func adviseRanges(m *mm.MM, ranges []addr.Range, advice int32) (uint64, error) {
	done := uint64(0)
	for _, r := range ranges {
		if err := m.Advise(r.Start, r.Len(), advice); err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
		done += r.Len()
	}
	return done, nil
}
