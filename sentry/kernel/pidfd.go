package kernel

import (
	"fmt"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/mm"
	"ringfence/sentry/vfs"
)

// pidfd is an open file that stands for a process, or with PIDFD_THREAD for a task (pidfd_open(2)).
type pidfd struct {
	vfs.BaseFile
	tg   *ThreadGroup
	task *Task // or nil
}

// Readiness implements vfs.FileOps: readable when the process has ended, hung up when it has been waited for.
func (p *pidfd) Readiness(*vfs.File) wait.Mask {
	p.tg.k.mu.RLock()
	defer p.tg.k.mu.RUnlock()
	t := p.task
	if t == nil {
		t = p.tg.leader
		if t.exitState == zombie && !p.tg.onlyLeaderLocked() {
			return 0
		}
	}
	switch t.exitState {
	case zombie:
		return wait.In | wait.RdNorm
	case dead:
		return wait.In | wait.RdNorm | wait.Hup
	}
	return 0
}

// Queue implements vfs.FileOps.
func (p *pidfd) Queue(*vfs.File) *wait.Queue { return &p.tg.ExitEvents }

// IdentityName implements vfs.FileIdentity.
func (*pidfd) IdentityName(*vfs.File) string { return "anon_inode:[pidfd]" }

// FDInfoIn returns the lines of /proc/PID/fdinfo in a /proc of ns.
func (p *pidfd) FDInfoIn(ns *PIDNamespace) string {
	k := p.tg.k
	k.mu.RLock()
	defer k.mu.RUnlock()
	pid := p.tg.pid
	gone := p.tg.reaped
	if p.task != nil {
		pid, gone = p.task.pid.Load(), p.task.exitState == dead
	}
	if gone {
		return "Pid:\t-1\nNSpid:\t-1\n"
	}
	b := fmt.Appendf(nil, "Pid:\t%d\nNSpid:", pid.In(ns))
	numbers := pid.Numbers(ns)
	if numbers == nil {
		numbers = []int32{0}
	}
	for _, n := range numbers {
		b = fmt.Appendf(b, "\t%d", n)
	}
	return string(append(b, '\n'))
}

// newPIDFD returns an open file for tg, or for task if it is not nil.
func (t *Task) newPIDFD(tg *ThreadGroup, task *Task, flags uint32) *vfs.File {
	return t.k.VFS.NewAnonFile("[pidfd]", &pidfd{tg: tg, task: task}, linux.O_RDWR|flags&linux.O_NONBLOCK,
		vfs.FModeRead|vfs.FModeWrite, t.Creds())
}

// OpenPIDFD is pidfd_open(2): it returns a descriptor. Without thread, pid must lead its process.
func (t *Task) OpenPIDFD(pid int32, thread bool, flags uint32) (int32, error) {
	x := t.k.Task(t.PIDNamespace(), pid)
	if x == nil {
		return -1, errno.ESRCH
	}
	if !thread {
		if !x.IsLeader() {
			return -1, errno.ENOENT
		}
		return t.InstallNew(t.newPIDFD(x.tg, nil, flags), linux.O_CLOEXEC)
	}
	return t.InstallNew(t.newPIDFD(x.tg, x, flags), linux.O_CLOEXEC)
}

// checkPIDFD refuses CLONE_PIDFD before there is a child if its descriptor could not be made or told.
func (t *Task) checkPIDFD(a *CloneArgs) error {
	if t.files.Full(t.FileLimit()) {
		return errno.EMFILE
	}
	return t.CopyOutUint32(a.PIDFD, ^uint32(0))
}

// installPIDFD stores a descriptor for the child n where CLONE_PIDFD asks. The child exists already: if another
// thread has taken the last descriptor since checkPIDFD, -1 stays stored and only that is lost.
func (t *Task) installPIDFD(n *Task, a *CloneArgs) {
	var task *Task
	if a.Flags&linux.CLONE_THREAD != 0 {
		task = n
	}
	fd, err := t.InstallNew(t.newPIDFD(n.tg, task, 0), linux.O_CLOEXEC)
	if err == nil {
		t.CopyOutUint32(a.PIDFD, uint32(fd))
	}
}

// PIDFDGroup returns the process that a pidfd refers to; EBADF if f is none.
func PIDFDGroup(f *vfs.File) (*ThreadGroup, error) {
	p, ok := f.Ops.(*pidfd)
	if !ok {
		return nil, errno.EBADF
	}
	return p.tg, nil
}

// CheckDying is EINVAL unless the process, and every other that shares its memory, has been told to die, and
// ESRCH if its memory is gone: what process_mrelease(2) asks before it takes the memory away.
func (tg *ThreadGroup) CheckDying() error {
	k := tg.k
	k.mu.RLock()
	defer k.mu.RUnlock()
	m := tg.memoryLocked()
	if m == nil {
		return errno.ESRCH
	}
	for _, x := range k.PIDNS.tasks {
		x.mu.Lock()
		shares := x.mm == m
		x.mu.Unlock()
		if shares && !x.tg.dyingLocked() {
			return errno.EINVAL
		}
	}
	return nil
}

// memoryLocked returns the address space of any task of the process, without a user; nil if there is none.
func (tg *ThreadGroup) memoryLocked() *mm.MM {
	for _, x := range tg.threads {
		x.mu.Lock()
		m := x.mm
		x.mu.Unlock()
		if m != nil {
			return m
		}
	}
	return nil
}

// dyingLocked reports whether all of the process will end.
func (tg *ThreadGroup) dyingLocked() bool {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	return tg.exiting || tg.onlyLeaderLocked() && tg.leader.exitStarted
}

// SignalPIDFD is pidfd_send_signal(2) with a pidfd; EBADF if f is none.
func (t *Task) SignalPIDFD(f *vfs.File, sig linux.Signal, info *linux.SignalInfo, flags uint32) error {
	p, ok := f.Ops.(*pidfd)
	if !ok {
		return errno.EBADF
	}
	return t.signalPIDFD(p, sig, info, flags)
}

// SignalProcess is pidfd_send_signal(2) with another kind of file that stands for a process: its
// directory in /proc.
func (t *Task) SignalProcess(tg *ThreadGroup, sig linux.Signal, info *linux.SignalInfo, flags uint32) error {
	return t.signalPIDFD(&pidfd{tg: tg}, sig, info, flags)
}

func (t *Task) signalPIDFD(p *pidfd, sig linux.Signal, info *linux.SignalInfo, flags uint32) error {
	k := t.k
	k.mu.RLock()
	defer k.mu.RUnlock()
	if p.tg.pid.In(t.PIDNamespace()) == 0 {
		return errno.EINVAL
	}
	target := p.task
	if target == nil {
		target = p.tg.leader
	}
	if target.exitState == dead {
		return errno.ESRCH
	}
	if info != nil && (info.Code >= 0 || info.Code == linux.SI_TKILL) && target.tg != t.tg {
		return errno.EPERM
	}
	scope := flags
	if scope == 0 && p.task != nil {
		scope = linux.PIDFD_SIGNAL_THREAD
	}
	switch scope {
	case linux.PIDFD_SIGNAL_THREAD:
		return t.signalTaskLocked(target, sig, info)
	case linux.PIDFD_SIGNAL_PROCESS_GROUP:
		pg := p.tg.pgrp
		if pg == nil {
			return errno.ESRCH
		}
		var err error = errno.ESRCH
		sent := false
		for _, m := range pg.members {
			err = t.killGroupLocked(m, sig, info)
			sent = sent || err == nil
		}
		if sent {
			return nil
		}
		return err
	}
	return t.killGroupLocked(p.tg, sig, info)
}

// PIDFDGet is pidfd_getfd(2): it returns a descriptor for the open file that fd is in the process of f.
func (t *Task) PIDFDGet(f *vfs.File, fd int32) (int32, error) {
	tg, err := PIDFDGroup(f)
	if err != nil {
		return -1, err
	}
	x := tg.Leader()
	if !t.MayTrace(x, true) {
		return -1, errno.EPERM
	}
	files := x.AcquireFiles()
	if files == nil {
		return -1, errno.ESRCH
	}
	defer t.k.ReleaseFiles(files)
	g, err := files.Get(fd)
	if err != nil {
		return -1, err
	}
	return t.InstallNew(g, linux.O_CLOEXEC)
}
