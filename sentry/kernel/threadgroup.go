package kernel

import (
	"slices"
	"sync"
	"sync/atomic"

	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/limits"
)

// ThreadGroup is a process: the tasks that share a number, signals and limits
// (Linux's struct signal_struct).
type ThreadGroup struct {
	// Immutable.
	k      *Kernel
	pid    *PID
	limits *limits.Set

	// ChildEvents tells of changes to children and tracees; wait4 sleeps here.
	ChildEvents wait.Queue
	// ExitEvents tells of the end of the process (pidfd).
	ExitEvents wait.Queue
	// SignalEvents tells of signals that arrive (signalfd), for all tasks.
	SignalEvents wait.Queue

	// Guarded by Kernel.mu.
	leader       *Task
	threads      []*Task // that have not been released; the leader is among them
	parent       *Task   // the thread whose child the process is; nil for init
	children     []*ThreadGroup
	pgrp         *ProcessGroup
	exitSignal   linux.Signal // what the parent gets; 0 for none
	subreaper    bool         // PR_SET_CHILD_SUBREAPER
	hasSubreaper bool         // an ancestor is one
	execed       bool         // has called execve since it was forked
	live         int          // tasks that have not begun to exit
	parentExecID uint32       // of the parent, when the child was made
	reaped       bool

	// sigMu is the siglock; see the package doc.
	sigMu     sync.Mutex
	handlers  *SignalHandlers
	shared    pendingSignals // for any of the tasks
	exiting   bool           // group exit: all tasks die
	exitCode  uint32         // of the group exit or the group stop
	execTask  *Task          // the task whose exec makes the others die
	stops     groupStop
	noKill    bool // SIGNAL_UNKILLABLE: init of a PID namespace
	execID    uint32
	itimers   itimers
	nextTimer int32
	timers    map[int32]*posixTimer

	// What ended tasks of the group, and waited-for children, have used.
	deadCPU    cpuTotals // guarded by sigMu
	deadUsage  usageTotals
	childCPU   cpuTotals
	childUsage usageTotals

	oomScoreAdj atomic.Int32
}

// Kernel returns the kernel.
func (tg *ThreadGroup) Kernel() *Kernel { return tg.k }

// PID returns the process's number.
func (tg *ThreadGroup) PID() *PID { return tg.pid }

// Limits returns the resource limits.
func (tg *ThreadGroup) Limits() *limits.Set { return tg.limits }

// Leader returns the task whose number is the process's.
func (tg *ThreadGroup) Leader() *Task {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	return tg.leader
}

// Tasks returns the tasks of the group, zombies included.
func (tg *ThreadGroup) Tasks() []*Task {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	return slices.Clone(tg.threads)
}

// Parent returns the parent process, nil if it has none.
func (tg *ThreadGroup) Parent() *ThreadGroup {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	return tg.parentGroupLocked()
}

func (tg *ThreadGroup) parentGroupLocked() *ThreadGroup {
	if tg.parent == nil {
		return nil
	}
	return tg.parent.tg
}

// Children returns the child processes, zombies included.
func (tg *ThreadGroup) Children() []*ThreadGroup {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	return slices.Clone(tg.children)
}

// PPID returns the parent's number as ns shows it, 0 if it has none there.
func (tg *ThreadGroup) PPID(ns *PIDNamespace) int32 {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	if p := tg.parentGroupLocked(); p != nil {
		return p.pid.In(ns)
	}
	return 0
}

// ProcessGroup returns the process group; nil when the process has been released.
func (tg *ThreadGroup) ProcessGroup() *ProcessGroup {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	return tg.pgrp
}

// Session returns the session; nil when the process has been released.
func (tg *ThreadGroup) Session() *Session {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	if tg.pgrp == nil {
		return nil
	}
	return tg.pgrp.session
}

// Exited reports whether all tasks of the process have ended, and its wait status.
func (tg *ThreadGroup) Exited() (status uint32, exited bool) {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	return tg.exitedLocked()
}

func (tg *ThreadGroup) exitedLocked() (uint32, bool) {
	if tg.leader.exitState == alive || !tg.onlyLeaderLocked() {
		return 0, false
	}
	return tg.statusLocked(), true
}

// onlyLeaderLocked is Linux's thread_group_empty.
func (tg *ThreadGroup) onlyLeaderLocked() bool { return len(tg.threads) <= 1 }

// statusLocked returns the wait status of an ended process.
func (tg *ThreadGroup) statusLocked() uint32 {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	if tg.exiting {
		return tg.exitCode
	}
	return tg.leader.exitCode
}

func sortByPID(tgs []*ThreadGroup, ns *PIDNamespace) {
	slices.SortFunc(tgs, func(a, b *ThreadGroup) int { return int(a.pid.In(ns) - b.pid.In(ns)) })
}
