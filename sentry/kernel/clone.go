package kernel

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/creds"
	"ringfence/sentry/limits"
)

// CloneArgs are the arguments of clone3(2), to which clone, fork and vfork are reduced.
type CloneArgs struct {
	Flags      uint64
	ExitSignal linux.Signal
	Stack      addr.Addr // stack pointer of the child; 0 for the parent's
	TLS        uint64
	PIDFD      addr.Addr // where CLONE_PIDFD stores the descriptor
	ParentTID  addr.Addr
	ChildTID   addr.Addr
	Cgroup     CgroupDir // CLONE_INTO_CGROUP; nil for the parent's
	SetTID     []int32   // numbers asked for, innermost namespace first
}

// namespaceFlags are the flags that make namespaces.
const namespaceFlags = linux.CLONE_NEWNS | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC | linux.CLONE_NEWUSER |
	linux.CLONE_NEWPID | linux.CLONE_NEWNET | linux.CLONE_NEWCGROUP | linux.CLONE_NEWTIME

// check refuses combinations that make no sense (kernel/fork.c, copy_process).
func (a *CloneArgs) check(t *Task) error {
	f := a.Flags
	has := func(bits uint64) bool { return f&bits == bits }
	switch {
	case has(linux.CLONE_NEWNS | linux.CLONE_FS),
		has(linux.CLONE_NEWUSER | linux.CLONE_FS),
		has(linux.CLONE_THREAD) && !has(linux.CLONE_SIGHAND),
		has(linux.CLONE_SIGHAND) && !has(linux.CLONE_VM),
		has(linux.CLONE_CLEAR_SIGHAND | linux.CLONE_SIGHAND),
		has(linux.CLONE_NEWIPC | linux.CLONE_SYSVSEM),
		has(linux.CLONE_THREAD) && f&(linux.CLONE_NEWUSER|linux.CLONE_NEWPID) != 0,
		has(linux.CLONE_THREAD) && t.ns.ChildPID != t.PIDNamespace(),
		has(linux.CLONE_PIDFD | linux.CLONE_DETACHED),
		a.ExitSignal < 0 || a.ExitSignal > linux.SIGRTMAX:
		return errno.EINVAL
	case has(linux.CLONE_PARENT):
		t.tg.sigMu.Lock()
		defer t.tg.sigMu.Unlock()
		if t.tg.noKill {
			return errno.EINVAL
		}
	}
	return nil
}

// Clone is clone3(2): it makes a task and returns its number. With CLONE_VFORK it
// returns when the child has let go of the address space.
func (t *Task) Clone(a *CloneArgs) (int32, error) {
	if err := a.check(t); err != nil {
		return 0, err
	}
	if a.Flags&linux.CLONE_PIDFD != 0 {
		if err := t.checkPIDFD(a); err != nil {
			return 0, err
		}
	}
	n, err := t.prepareChild(a)
	if err != nil {
		return 0, err
	}
	event := t.cloneEvent(a)
	tid, err := t.k.addTask(t, n, a, event)
	if err != nil {
		n.discard()
		return 0, err
	}
	if a.Flags&linux.CLONE_PIDFD != 0 {
		t.installPIDFD(n, a)
	}
	if a.Flags&linux.CLONE_PARENT_SETTID != 0 {
		t.CopyOutUint32(a.ParentTID, uint32(tid))
	}
	n.start()
	if event != 0 {
		t.traceEvent(event, uint64(tid))
	}
	if a.Flags&linux.CLONE_VFORK != 0 {
		t.waitVfork(n)
		t.traceVforkDone(uint64(tid))
	}
	return tid, nil
}

// prepareChild makes a task that nobody knows of yet.
func (t *Task) prepareChild(a *CloneArgs) (*Task, error) {
	k, f := t.k, a.Flags
	if k.liveTasks.Load() >= int64(k.MaxTasks) {
		return nil, errno.EAGAIN // addTask looks again; this spares the work
	}
	c, err := t.enterNewUserNS(f)
	if err != nil {
		return nil, err
	}
	n := &Task{k: k, blocker: newBlocker(), user: k.user(c.RUID), userID: c.RUID}
	n.user.tasks.Add(1)
	if uint64(n.user.tasks.Load()) > t.tg.limits.Cur(linux.RLIMIT_NPROC) && c.RUID != 0 &&
		!c.Has(linux.CAP_SYS_RESOURCE) && !c.Has(linux.CAP_SYS_ADMIN) {
		n.discard()
		return nil, errno.EAGAIN
	}
	n.cred.Store(c)
	k.Keys.Fork(t.KeyCaller(), &n.keys, f&linux.CLONE_THREAD != 0)
	n.regs = t.regs
	n.regs.SetReturn(0)
	if a.Stack != 0 {
		n.regs.Rsp = uint64(a.Stack)
	}
	if f&linux.CLONE_SETTLS != 0 {
		if a.TLS >= uint64(userTop) {
			n.discard()
			return nil, errno.EPERM
		}
		n.regs.FsBase = a.TLS
	}
	n.comm = t.Comm()
	n.personality.Store(t.personality.Load())
	n.timerSlack.Store(t.timerSlack.Load())
	n.memPolicy = t.memPolicy
	n.sched = t.sched.forked()
	n.sigMask = t.sigMask
	n.startTime.Store(k.Monotonic())
	if f&linux.CLONE_VM == 0 || f&linux.CLONE_VFORK != 0 {
		n.altStack = t.altStack
	}
	if f&linux.CLONE_CHILD_CLEARTID != 0 {
		n.clearTID = a.ChildTID
	}
	if f&linux.CLONE_CHILD_SETTID != 0 {
		n.setTID = a.ChildTID
	}
	if f&linux.CLONE_SYSVSEM != 0 {
		n.shareUndo(t)
	}

	if n.ns, err = t.cloneNamespaces(f, c); err != nil {
		n.discard()
		return nil, err
	}
	if f&linux.CLONE_FILES != 0 {
		t.files.IncUsers()
		n.files = t.files
	} else {
		n.files = t.files.Fork()
	}
	if f&linux.CLONE_FS != 0 {
		t.fs.users.Add(1)
		n.fs = t.fs
	} else {
		n.fs = newFSShare(t.fs.ctx.Clone())
	}
	t.mounts.IncRef()
	n.mounts = t.mounts
	if f&linux.CLONE_NEWNS != 0 {
		if err := n.newMountNamespace(c.UserNS); err != nil {
			n.discard()
			return nil, err
		}
	}
	if f&linux.CLONE_VM != 0 {
		t.mm.IncUsers()
		n.mm = t.mm
		t.aio.users.Add(1)
		n.aio = t.aio
	} else {
		n.mm, err = t.mm.Fork(t.MemoryEvents())
		t.AwaitEvents()
		if err != nil {
			n.discard()
			return nil, err
		}
		if n.ns = n.ns.enteringTime(); n.ns.Time != t.ns.Time {
			n.retime()
		}
	}
	if n.aio == nil {
		n.aio = newAIOTable()
	}
	n.ctx = k.Platform.NewContext()
	fpu, err := t.ctx.FPU()
	if err == nil {
		err = n.ctx.SetFPU(fpu)
	}
	if err != nil {
		n.discard()
		return nil, errno.EAGAIN
	}
	return n, nil
}

// discard undoes prepareChild.
func (n *Task) discard() {
	if n.ctx != nil {
		n.ctx.Release()
	}
	if n.aio != nil {
		n.dropAIO(n.aio)
	}
	if n.mm != nil {
		n.mm.DecUsers()
	}
	n.dropFiles()
	n.dropUndo()
	n.k.Keys.Release(&n.keys)
	n.user.tasks.Add(-1)
	n.k.putUser(n.userID, n.user)
}

// dropFiles lets go of descriptors, root and working directory.
func (t *Task) dropFiles() {
	t.mu.Lock()
	files, fs := t.files, t.fs
	t.files, t.fs, t.ns = nil, nil, nil
	t.mu.Unlock()
	if files != nil {
		t.k.ReleaseFiles(files)
	}
	if fs != nil {
		fs.drop()
	}
	t.setMountNamespace(nil)
}

// addTask gives n its number and its place in the tree.
func (k *Kernel) addTask(t, n *Task, a *CloneArgs, event int) (int32, error) {
	f := a.Flags
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.halted {
		return 0, errno.ENOMEM
	}
	if k.liveTasks.Load() >= int64(k.MaxTasks) {
		return 0, errno.EAGAIN
	}
	cg, err := t.cgroupOfChildLocked(a)
	if err != nil {
		return 0, err
	}
	ns := n.ns.ChildPID
	pid, err := ns.allocatePIDLocked(a.SetTID)
	if err != nil {
		return 0, err
	}
	// A child must not miss a signal to its process group, nor a thread the end of its process.
	t.tg.sigMu.Lock()
	t.recalcLocked()
	pending := t.pending.Load()
	if pending {
		t.tg.sigMu.Unlock()
		return 0, errno.ERESTARTNOINTR
	}
	n.pid.Store(pid)
	n.inheritSeccomp(t)
	n.dispatch, n.dispatch.On = t.dispatch, false
	if f&linux.CLONE_THREAD != 0 {
		n.tg = t.tg
		n.tg.threads = append(n.tg.threads, n)
		n.tg.live++
		t.tg.sigMu.Unlock()
	} else {
		h := t.tg.handlers
		t.tg.sigMu.Unlock()
		tg := newThreadGroup(k, pid, t.tg.limits.Clone())
		if f&linux.CLONE_SIGHAND != 0 {
			h.users.Add(1)
			tg.handlers = h
		} else {
			tg.handlers = h.clone()
			if f&linux.CLONE_CLEAR_SIGHAND != 0 {
				tg.handlers.flush()
			}
		}
		tg.leader, tg.threads, tg.live = n, []*Task{n}, 1
		n.tg = tg
		tg.oomScoreAdj.Store(t.tg.oomScoreAdj.Load())
		tg.hasSubreaper = t.tg.hasSubreaper || t.tg.subreaper
		tg.exitSignal = a.ExitSignal
		parent := t
		tg.parentExecID = t.tg.execID
		if f&linux.CLONE_PARENT != 0 {
			parent = t.tg.parent
			tg.exitSignal = t.tg.exitSignal
			tg.parentExecID = t.tg.parentExecID
		}
		if ns.init == nil {
			ns.init = tg
			tg.noKill = true
		}
		tg.parent = parent
		if parent != nil {
			parent.tg.children = append(parent.tg.children, tg)
		}
		tg.joinLocked(t.tg.pgrp)
	}
	pid.attachLocked(n)
	cg.chargePidsLocked(+1)
	n.enterCgroupLocked(cg)
	k.countTask()
	t.traceChildLocked(n, a, event)
	if f&linux.CLONE_VFORK != 0 {
		n.vforkOf = t
	}
	return pid.In(t.PIDNamespace()), nil
}

func (k *Kernel) countTask() {
	k.Forks.Add(1)
	k.liveTasks.Add(1)
	k.tasks.Add(1)
}

func newThreadGroup(k *Kernel, pid *PID, l *limits.Set) *ThreadGroup {
	return &ThreadGroup{k: k, pid: pid, limits: l}
}

// start runs a task that has been added.
func (t *Task) start() { go t.run() }

// waitVfork sleeps until child has let go of the address space. Only death ends it early.
func (t *Task) waitVfork(child *Task) {
	t.rest(true)
	defer t.rest(false)
	for {
		t.k.mu.RLock()
		waiting := child.vforkOf == t
		t.k.mu.RUnlock()
		if !waiting {
			return
		}
		if t.blockKillable() != nil {
			t.k.mu.Lock()
			child.vforkOf = nil
			t.k.mu.Unlock()
			return
		}
	}
}

// vforkDone wakes who waits for t to let go of its address space.
func (t *Task) vforkDone() {
	t.k.mu.Lock()
	p := t.vforkOf
	t.vforkOf = nil
	t.k.mu.Unlock()
	if p != nil {
		p.blocker.wake()
	}
}

// enterNewUserNS returns the credentials that a task has after flags, with CLONE_NEWUSER those in a new user namespace.
func (t *Task) enterNewUserNS(flags uint64) (*creds.Credentials, error) {
	c := t.Creds()
	if flags&linux.CLONE_NEWUSER == 0 {
		return c, nil
	}
	if t.chrooted() {
		return nil, errno.EPERM // the way out would be open
	}
	ns, err := creds.NewUserNamespace(c, t.k.VFS.NewNSInode())
	if err != nil {
		return nil, err
	}
	c = c.Clone()
	c.Enter(ns)
	return c, nil
}

// chrooted reports whether the task's root is not that of its mounts.
func (t *Task) chrooted() bool {
	own, all := t.fs.ctx.Root(), t.mounts.Root()
	defer own.DecRef()
	defer all.DecRef()
	return own != all
}

// cloneNamespaces returns the namespaces of a child made with flags, which has credentials c.
func (t *Task) cloneNamespaces(flags uint64, c *creds.Credentials) (*Namespaces, error) {
	flags &= namespaceFlags &^ linux.CLONE_NEWUSER
	if flags == 0 {
		return t.ns, nil
	}
	if !t.Creds().HasIn(linux.CAP_SYS_ADMIN, c.UserNS) {
		return nil, errno.EPERM
	}
	n := *t.ns
	var err error
	id := func(kind creds.NSKind) identity {
		h, e := c.UserNS.ChargeNS(c.EUID, kind)
		if e != nil {
			err = e
		}
		return t.k.newIdentity(c.UserNS, h)
	}
	if flags&linux.CLONE_NEWUTS != 0 {
		n.UTS = n.UTS.clone(id(creds.UTSNS))
	}
	if flags&linux.CLONE_NEWIPC != 0 {
		n.IPC = t.k.newIPCNamespace(id(creds.IPCNS))
	}
	if flags&linux.CLONE_NEWPID != 0 {
		if n.ChildPID.level+1 > maxPIDLevel {
			return nil, errno.ENOSPC
		}
		n.ChildPID = newPIDNamespace(n.ChildPID, id(creds.PIDNS))
	}
	if flags&linux.CLONE_NEWTIME != 0 {
		n.ChildTime = n.ChildTime.clone(id(creds.TimeNS))
	}
	if flags&linux.CLONE_NEWNET != 0 {
		n.Net = t.k.newNetNamespace(id(creds.NetNS))
	}
	if flags&linux.CLONE_NEWCGROUP != 0 {
		n.Cgroup = &CgroupNamespace{id(creds.CgroupNS), t.Cgroup()}
	}
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// Unshare is unshare(2).
func (t *Task) Unshare(flags uint64) error {
	if flags&^(namespaceFlags|linux.CLONE_FS|linux.CLONE_FILES|linux.CLONE_SYSVSEM|linux.CLONE_THREAD|
		linux.CLONE_SIGHAND|linux.CLONE_VM) != 0 {
		return errno.EINVAL
	}
	if flags&linux.CLONE_NEWUSER != 0 {
		flags |= linux.CLONE_THREAD | linux.CLONE_FS
	}
	if flags&(linux.CLONE_THREAD|linux.CLONE_SIGHAND|linux.CLONE_VM) != 0 {
		if !t.alone() || t.tg.handlers.users.Load() > 1 {
			return errno.EINVAL
		}
	}
	c, err := t.enterNewUserNS(flags)
	if err != nil {
		return err
	}
	ns, err := t.cloneNamespaces(flags, c)
	if err != nil {
		return err
	}
	if flags&(linux.CLONE_FS|linux.CLONE_NEWNS) != 0 && t.fs.users.Load() > 1 {
		old := t.fs
		fs := newFSShare(old.ctx.Clone())
		t.mu.Lock()
		t.fs = fs
		t.mu.Unlock()
		old.drop()
	}
	if flags&linux.CLONE_NEWNS != 0 {
		if err := t.newMountNamespace(c.UserNS); err != nil {
			return err
		}
	}
	if flags&linux.CLONE_FILES != 0 {
		t.unshareFiles()
	}
	if flags&(linux.CLONE_SYSVSEM|linux.CLONE_NEWIPC) != 0 {
		t.dropUndo()
	}
	t.mu.Lock()
	t.ns = ns
	t.mu.Unlock()
	if c != t.Creds() {
		t.SetCreds(c)
	}
	return nil
}

// unshareFiles gives t a descriptor table of its own.
func (t *Task) unshareFiles() {
	if !t.files.Shared() {
		return
	}
	old, own := t.files, t.files.Fork()
	t.mu.Lock()
	t.files = own
	t.mu.Unlock()
	t.k.ReleaseFiles(old)
}

// defaultTimerSlack is 50 microseconds (PR_SET_TIMERSLACK).
const defaultTimerSlack = 50000
