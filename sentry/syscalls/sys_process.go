package syscalls

import (
	"math"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
)

var processCalls = []line{
	{linux.SYS_CLONE, "clone", sysClone, kernel.Full, cloneFlags, ""},
	{linux.SYS_CLONE3, "clone3", sysClone3, kernel.Full, cloneFlags + " CLONE_CLEAR_SIGHAND INTO_CGROUP NEWTIME", ""},
	{linux.SYS_FORK, "fork", sysFork, kernel.Full, "", ""},
	{linux.SYS_VFORK, "vfork", sysVfork, kernel.Full, "", ""},
	{linux.SYS_EXECVE, "execve", sysExecve, kernel.Full, "", ""},
	{linux.SYS_EXECVEAT, "execveat", sysExecveat, kernel.Full, "AT_EMPTY_PATH AT_SYMLINK_NOFOLLOW", ""},
	{linux.SYS_EXIT, "exit", sysExit, kernel.Full, "", ""},
	{linux.SYS_EXIT_GROUP, "exit_group", sysExitGroup, kernel.Full, "", ""},
	{linux.SYS_WAIT4, "wait4", sysWait4, kernel.Full, "all", ""},
	{linux.SYS_WAITID, "waitid", sysWaitid, kernel.Full, "all", ""},
	{linux.SYS_GETPID, "getpid", sysGetpid, kernel.Full, "", ""},
	{linux.SYS_GETPPID, "getppid", sysGetppid, kernel.Full, "", ""},
	{linux.SYS_GETTID, "gettid", sysGettid, kernel.Full, "", ""},
	{linux.SYS_SET_TID_ADDRESS, "set_tid_address", sysSetTIDAddress, kernel.Full, "", ""},
	{linux.SYS_SET_ROBUST_LIST, "set_robust_list", sysSetRobustList, kernel.Full, "", ""},
	{linux.SYS_GET_ROBUST_LIST, "get_robust_list", sysGetRobustList, kernel.Full, "", ""},
	{linux.SYS_SETPGID, "setpgid", sysSetpgid, kernel.Full, "", ""},
	{linux.SYS_GETPGID, "getpgid", sysGetpgid, kernel.Full, "", ""},
	{linux.SYS_GETPGRP, "getpgrp", sysGetpgrp, kernel.Full, "", ""},
	{linux.SYS_SETSID, "setsid", sysSetsid, kernel.Full, "", ""},
	{linux.SYS_GETSID, "getsid", sysGetsid, kernel.Full, "", ""},
	{linux.SYS_UNSHARE, "unshare", sysUnshare, kernel.Full, "", ""},
	{linux.SYS_SETNS, "setns", sysSetns, kernel.Full, "all", ""},
}

const cloneFlags = "VM FS FILES SIGHAND PIDFD PTRACE VFORK PARENT THREAD NEWNS SYSVSEM SETTLS PARENT_SETTID " +
	"CHILD_CLEARTID DETACHED UNTRACED CHILD_SETTID NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET IO"

func sysClone(t *kernel.Task, a *arch.Args) (uint64, error) {
	flags := a[0].Uint64() & (1<<32 - 1)
	c := kernel.CloneArgs{
		Flags:      flags &^ linux.CSIGNAL,
		ExitSignal: linux.Signal(flags & linux.CSIGNAL),
		Stack:      a[1].Addr(),
		ParentTID:  a[2].Addr(),
		PIDFD:      a[2].Addr(),
		ChildTID:   a[3].Addr(),
		TLS:        a[4].Uint64(),
	}
	if flags&linux.CLONE_PIDFD != 0 && flags&linux.CLONE_PARENT_SETTID != 0 {
		return 0, errno.EINVAL
	}
	return clone(t, &c)
}

func clone(t *kernel.Task, c *kernel.CloneArgs) (uint64, error) {
	tid, err := t.Clone(c)
	if err != nil {
		return 0, err
	}
	return uint64(tid), nil
}

func sysClone3(t *kernel.Task, a *arch.Args) (uint64, error) {
	var args linux.CloneArgs
	if err := copyInExtensible(t, a[0].Addr(), a[1].Size(), linux.CLONE_ARGS_SIZE_VER0, &args); err != nil {
		return 0, err
	}
	const known = linux.CLONE_CLEAR_SIGHAND | linux.CLONE_INTO_CGROUP | (1<<32 - 1)
	if args.Flags&^known != 0 || args.Flags&(linux.CLONE_DETACHED|linux.CSIGNAL&^linux.CLONE_NEWTIME) != 0 ||
		args.ExitSignal&^linux.CSIGNAL != 0 {
		return 0, errno.EINVAL
	}
	if args.Flags&(linux.CLONE_THREAD|linux.CLONE_PARENT) != 0 && args.ExitSignal != 0 {
		return 0, errno.EINVAL
	}
	if (args.Stack == 0) != (args.StackSize == 0) {
		return 0, errno.EINVAL
	}
	if args.Flags&linux.CLONE_INTO_CGROUP != 0 && (args.Cgroup > math.MaxInt32 || a[1].Size() < linux.CLONE_ARGS_SIZE_VER2) {
		return 0, errno.EINVAL
	}
	if args.SetTIDSize > 32 || (args.SetTID == 0) != (args.SetTIDSize == 0) {
		return 0, errno.EINVAL
	}
	c := kernel.CloneArgs{
		Flags:      args.Flags,
		ExitSignal: linux.Signal(args.ExitSignal),
		ParentTID:  addr.Addr(args.ParentTID),
		ChildTID:   addr.Addr(args.ChildTID),
		PIDFD:      addr.Addr(args.Pidfd),
		TLS:        args.TLS,
	}
	if args.Stack != 0 {
		top, ok := addr.Addr(args.Stack).Add(args.StackSize)
		if !ok {
			return 0, errno.EFAULT
		}
		c.Stack = top
	}
	for i := range args.SetTIDSize {
		v, err := t.CopyInUint32(addr.Addr(args.SetTID + 4*i))
		if err != nil {
			return 0, err
		}
		if int32(v) < 1 || int32(v) >= kernel.PIDMax {
			return 0, errno.EINVAL
		}
		c.SetTID = append(c.SetTID, int32(v))
	}
	if len(c.SetTID) > 0 && !mayNumber(t, len(c.SetTID)) {
		return 0, errno.EPERM
	}
	if args.Flags&linux.CLONE_INTO_CGROUP != 0 {
		f, err := t.Files().Get(int32(args.Cgroup))
		if err != nil {
			return 0, err
		}
		defer f.DecRef()
		var ok bool
		if c.Cgroup, ok = f.Inode().Ops.(kernel.CgroupDir); !ok {
			return 0, errno.EBADF
		}
	}
	return clone(t, &c)
}

// mayNumber reports whether t may choose the numbers of a child in so many PID namespaces.
func mayNumber(t *kernel.Task, levels int) bool {
	c := t.Creds()
	for ns := t.Namespaces().ChildPID; ns != nil && levels > 0; ns, levels = ns.Parent(), levels-1 {
		if !c.HasIn(linux.CAP_SYS_ADMIN, ns.Owner) && !c.HasIn(linux.CAP_CHECKPOINT_RESTORE, ns.Owner) {
			return false
		}
	}
	return true
}

func sysFork(t *kernel.Task, _ *arch.Args) (uint64, error) {
	return clone(t, &kernel.CloneArgs{ExitSignal: linux.SIGCHLD})
}

func sysVfork(t *kernel.Task, _ *arch.Args) (uint64, error) {
	return clone(t, &kernel.CloneArgs{Flags: linux.CLONE_VFORK | linux.CLONE_VM, ExitSignal: linux.SIGCHLD})
}

func sysUnshare(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.Unshare(a[0].Uint64())
}

func sysExecve(t *kernel.Task, a *arch.Args) (uint64, error) {
	path, err := t.CopyInPath(a[0].Addr())
	if err != nil {
		return 0, err
	}
	return 0, t.Exec(&kernel.ExecArgs{Path: path, Argv: a[1].Addr(), Envp: a[2].Addr()})
}

func sysExecveat(t *kernel.Task, a *arch.Args) (uint64, error) {
	fd, flags := a[0].Int(), a[4].Uint()
	if flags&^(linux.AT_EMPTY_PATH|linux.AT_SYMLINK_NOFOLLOW) != 0 {
		return 0, errno.EINVAL
	}
	path, err := t.CopyInPath(a[1].Addr())
	if err != nil {
		return 0, err
	}
	x := kernel.ExecArgs{FD: fd, Path: path, Flags: flags, Argv: a[2].Addr(), Envp: a[3].Addr()}
	if fd != linux.AT_FDCWD && (path == "" || path[0] != '/') {
		f, err := t.GetAnyFile(fd)
		if err != nil {
			return 0, err
		}
		defer f.DecRef()
		x.Start = f.Path
		x.Cloexec, _ = t.Files().Cloexec(fd)
	}
	return 0, t.Exec(&x)
}

func sysExit(t *kernel.Task, a *arch.Args) (uint64, error) {
	t.Exit(a[0].Int())
	return 0, nil
}

func sysExitGroup(t *kernel.Task, a *arch.Args) (uint64, error) {
	t.ExitGroup(a[0].Int())
	return 0, nil
}

func sysWait4(t *kernel.Task, a *arch.Args) (uint64, error) {
	pid, options := a[0].Int(), a[2].Uint()
	const known uint32 = linux.WNOHANG | linux.WUNTRACED | linux.WCONTINUED | linux.WNOTHREAD | linux.WCLONE | linux.WALL
	if options&^known != 0 {
		return 0, errno.EINVAL
	}
	w := kernel.WaitArgs{Options: options | linux.WEXITED}
	switch {
	case pid == -1<<31:
		return 0, errno.ESRCH
	case pid == -1:
		w.Type = linux.P_ALL
	case pid < 0:
		w.Type, w.ID = linux.P_PGID, -pid
	case pid == 0:
		w.Type = linux.P_PGID
	default:
		w.Type, w.ID = linux.P_PID, pid
	}
	r, err := t.Wait(&w)
	if err != nil || r.PID == 0 {
		return 0, err
	}
	if p := a[1].Addr(); p != 0 {
		if err := t.CopyOutUint32(p, uint32(r.Status)); err != nil {
			return 0, err
		}
	}
	if p := a[3].Addr(); p != 0 {
		ru := r.Rusage()
		if err := t.CopyOutStruct(p, &ru); err != nil {
			return 0, err
		}
	}
	return uint64(r.PID), nil
}

func sysWaitid(t *kernel.Task, a *arch.Args) (uint64, error) {
	w, err := waitidArgs(t, a[0].Int(), a[1].Int(), a[3].Uint())
	var r kernel.WaitResult
	if err == nil {
		r, err = t.Wait(&w)
	}
	if p := a[4].Addr(); p != 0 && r.PID != 0 {
		ru := r.Rusage()
		if err := t.CopyOutStruct(p, &ru); err != nil {
			return 0, err
		}
	}
	// What failed is told, too: zeros.
	if err := copyOutWaitid(t, &r, a[2].Addr()); err != nil {
		return 0, err
	}
	return 0, err
}

// waitidArgs checks what waitid(2) is told.
func waitidArgs(t *kernel.Task, which, id int32, options uint32) (kernel.WaitArgs, error) {
	const known uint32 = linux.WNOHANG | linux.WNOWAIT | linux.WEXITED | linux.WSTOPPED | linux.WCONTINUED |
		linux.WNOTHREAD | linux.WCLONE | linux.WALL
	w := kernel.WaitArgs{Type: which, ID: id, Options: options}
	if options&^known != 0 || options&(linux.WEXITED|linux.WSTOPPED|linux.WCONTINUED) == 0 {
		return w, errno.EINVAL
	}
	switch which {
	case linux.P_ALL:
	case linux.P_PID:
		if id <= 0 {
			return w, errno.EINVAL
		}
	case linux.P_PGID:
		if id < 0 {
			return w, errno.EINVAL
		}
	case linux.P_PIDFD:
		if id < 0 {
			return w, errno.EINVAL
		}
		f, err := t.GetFile(id)
		if err != nil {
			return w, err
		}
		defer f.DecRef()
		if w.Group, err = kernel.PIDFDGroup(f); err != nil {
			return w, err
		}
		w.NoHang = f.Flags()&linux.O_NONBLOCK != 0
	default:
		return w, errno.EINVAL
	}
	return w, nil
}

// copyOutWaitid stores what waitid(2) says of a child. Linux stores the fields one by one and leaves the rest of siginfo as it was.
func copyOutWaitid(t *kernel.Task, r *kernel.WaitResult, p addr.Addr) error {
	if p == 0 {
		return nil
	}
	var info linux.SignalInfo
	if r.PID != 0 {
		info.Signo, info.Code = int32(linux.SIGCHLD), r.Code
		info.SetPID(r.PID)
		info.SetUID(r.UID)
		info.SetStatus(r.Info)
	}
	var b [linux.SignalInfoSize]byte
	info.MarshalBytes(b[:])
	if err := t.CopyOut(p, b[:12]); err != nil {
		return err
	}
	return t.CopyOut(p+16, b[16:28])
}

func sysGetpid(t *kernel.Task, _ *arch.Args) (uint64, error) { return uint64(t.TGID()), nil }

func sysGettid(t *kernel.Task, _ *arch.Args) (uint64, error) { return uint64(t.TID()), nil }

func sysGetppid(t *kernel.Task, _ *arch.Args) (uint64, error) {
	return uint64(t.ThreadGroup().PPID(t.PIDNamespace())), nil
}

func sysSetTIDAddress(t *kernel.Task, a *arch.Args) (uint64, error) {
	t.SetClearTID(a[0].Addr())
	return uint64(t.TID()), nil
}

func sysSetRobustList(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1].Size() != robustListHeadSize {
		return 0, errno.EINVAL
	}
	t.SetRobustList(a[0].Addr())
	return 0, nil
}

const robustListHeadSize = 24

func sysGetRobustList(t *kernel.Task, a *arch.Args) (uint64, error) {
	x, err := findTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	if !t.MayTrace(x, true) {
		return 0, errno.EPERM
	}
	if err := t.CopyOutUint64(a[2].Addr(), robustListHeadSize); err != nil {
		return 0, err
	}
	return 0, t.CopyOutUint64(a[1].Addr(), uint64(x.RobustList()))
}

// findTask finds a task by number, the caller itself for 0; ESRCH if there is none.
func findTask(t *kernel.Task, tid int32) (*kernel.Task, error) {
	if tid == 0 {
		return t, nil
	}
	x := t.Kernel().Task(t.PIDNamespace(), tid)
	if x == nil {
		return nil, errno.ESRCH
	}
	return x, nil
}

func sysSetpgid(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.Setpgid(a[0].Int(), a[1].Int())
}

func getpgid(t *kernel.Task, pid int32) (uint64, error) {
	x, err := findTask(t, pid)
	if err != nil {
		return 0, err
	}
	pg := x.ThreadGroup().ProcessGroup()
	if pg == nil {
		return 0, errno.ESRCH
	}
	return uint64(pg.PID().In(t.PIDNamespace())), nil
}

func sysGetpgid(t *kernel.Task, a *arch.Args) (uint64, error) { return getpgid(t, a[0].Int()) }

func sysGetpgrp(t *kernel.Task, _ *arch.Args) (uint64, error) { return getpgid(t, 0) }

func sysSetsid(t *kernel.Task, _ *arch.Args) (uint64, error) {
	sid, err := t.Setsid()
	if err != nil {
		return 0, err
	}
	return uint64(sid), nil
}

func sysGetsid(t *kernel.Task, a *arch.Args) (uint64, error) {
	x, err := findTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	s := x.ThreadGroup().Session()
	if s == nil {
		return 0, errno.ESRCH
	}
	return uint64(s.PID().In(t.PIDNamespace())), nil
}

// namespaceFile is a file that stands for a namespace.
type namespaceFile interface{ Namespace() kernel.Namespace }

func sysSetns(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, err := t.GetFile(a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	flags := uint64(a[1].Uint())
	if ns, ok := f.Ops.(namespaceFile); ok {
		if flags != 0 && flags != ns.Namespace().NSType() {
			return 0, errno.EINVAL
		}
		return 0, t.Setns(ns.Namespace())
	}
	tg, err := kernel.PIDFDGroup(f)
	if err != nil {
		return 0, errno.EINVAL
	}
	const known = linux.CLONE_NEWNS | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC | linux.CLONE_NEWUSER | linux.CLONE_NEWPID |
		linux.CLONE_NEWNET | linux.CLONE_NEWCGROUP | linux.CLONE_NEWTIME
	if flags == 0 || flags&^known != 0 {
		return 0, errno.EINVAL
	}
	return 0, t.SetnsOf(tg, flags)
}
