package kernel

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/limits"
	"ringfence/sentry/loader"
	"ringfence/sentry/tty"
	"ringfence/sentry/vfs"
)

// ProcessArgs describe a process that the kernel starts itself: init, or one that is
// executed in a running sandbox.
type ProcessArgs struct {
	// Path is the program, resolved from the working directory of FS. Callers search PATH.
	Path       string
	Argv, Envv []string
	Cred       *creds.Credentials
	// Mounts, FS and Files are taken over, also if Start fails.
	Mounts *vfs.Namespace
	FS     *vfs.FSContext
	Files  *FDTable
	Limits *limits.Set
	// Mortal: as init the process still dies of signals that it has no handler for.
	Mortal bool
	// TTY becomes the controlling terminal, if not nil.
	TTY *tty.PTY
}

// boss is a Caller that stands for a process that does not exist yet.
type boss struct {
	k      *Kernel
	cred   *creds.Credentials
	fs     *vfs.FSContext
	limits *limits.Set
}

func (b *boss) Creds() *creds.Credentials { return b.cred }
func (b *boss) FSContext() *vfs.FSContext { return b.fs }
func (b *boss) Now() int64                { return b.k.Now() }
func (b *boss) FileSizeLimit() uint64     { return b.limits.Cur(linux.RLIMIT_FSIZE) }

// Start starts a process without a parent in a session of its own; the first is
// init. Errors are those of execve(2).
func (k *Kernel) Start(a ProcessArgs) (*ThreadGroup, error) {
	t, err := k.newProcess(&a)
	if err != nil {
		k.ReleaseFiles(a.Files)
		a.FS.Release()
		a.Mounts.DecRef()
		return nil, err
	}
	k.mu.Lock()
	if k.halted {
		k.mu.Unlock()
		t.discard()
		return nil, errno.ESRCH
	}
	pid, err := k.PIDNS.allocatePIDLocked(nil)
	if err != nil {
		k.mu.Unlock()
		t.discard()
		return nil, err
	}
	t.pid.Store(pid)
	tg := newThreadGroup(k, pid, a.Limits)
	tg.handlers = newSignalHandlers()
	tg.leader, tg.threads, tg.live = t, []*Task{t}, 1
	tg.exitSignal = linux.SIGCHLD
	tg.execed = true
	t.tg = tg
	if k.init == nil {
		k.init, k.PIDNS.init = tg, tg
		tg.noKill = !a.Mortal
	}
	k.newSessionLocked(tg)
	pid.attachLocked(t)
	k.rootCgroup.chargePidsLocked(+1)
	t.enterCgroupLocked(k.rootCgroup)
	k.countTask()
	k.mu.Unlock()
	t.mm.SetLimits(t.memoryLimits())
	if a.TTY != nil {
		a.TTY.Acquire(t)
	}
	t.start()
	return tg, nil
}

// newProcess loads a program into a task that nobody knows of yet.
func (k *Kernel) newProcess(a *ProcessArgs) (*Task, error) {
	b := &boss{k, a.Cred, a.FS, a.Limits}
	e := &executor{k.VFS, b}
	p, err := k.VFS.Resolve(b, vfs.Path{}, a.Path, vfs.LookupFollow)
	if err != nil {
		return nil, err
	}
	defer p.DecRef()
	prog, err := e.openProgram(p)
	if err != nil {
		return nil, err
	}
	stack := a.Limits.Cur(linux.RLIMIT_STACK)
	img, err := loader.Open(loader.Request{
		Opener: e, File: prog, Path: a.Path,
		Args: loader.Args{Argv: a.Argv, Envv: a.Envv}, StackLimit: stack,
	})
	if err != nil {
		return nil, err
	}
	defer img.Release()
	m, regs, err := k.load(img, execCreds{cred: a.Cred}, k.timeNS, stack, 0)
	if err != nil {
		return nil, err
	}
	if ns := a.Mounts; ns.Owner == nil {
		ns.Inode, ns.Owner = linux.MNT_NS_INIT_INO, k.UserNS
	}
	t := &Task{
		k: k, blocker: newBlocker(), user: k.user(a.Cred.RUID), userID: a.Cred.RUID,
		mm: m, regs: regs, ctx: k.Platform.NewContext(),
		files: a.Files, fs: newFSShare(a.FS), mounts: a.Mounts,
		aio:  newAIOTable(),
		comm: img.Comm(),
		ns:   &Namespaces{UTS: k.UTSNS, IPC: k.IPCNS, ChildPID: k.PIDNS, Net: k.NetNS, Cgroup: k.cgroupNS, Time: k.timeNS, ChildTime: k.timeNS},
	}
	t.user.tasks.Add(1)
	t.cred.Store(a.Cred)
	t.timerSlack.Store(defaultTimerSlack)
	t.startTime.Store(k.Monotonic())
	return t, nil
}
