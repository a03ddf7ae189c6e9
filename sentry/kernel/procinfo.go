package kernel

import (
	"slices"

	"ringfence/abi/linux"
)

// This file is what /proc asks that nobody else does. All of it is safe from any goroutine.

// Usage are the counts of getrusage(2).
type Usage struct {
	MinorFaults, MajorFaults               int64
	VoluntarySwitches, InvoluntarySwitches int64
	ReadBlocks, WriteBlocks                int64 // of 512 bytes
}

func (u *usageTotals) exported() Usage {
	return Usage{u.minorFaults, u.majorFaults, u.voluntary, u.involuntary, u.inBlocks, u.outBlocks}
}

// Usage returns what the task has used.
func (t *Task) Usage() Usage {
	var u usageTotals
	u.addTask(&t.usage)
	return u.exported()
}

// Usage returns what all tasks that the process has or had have used.
func (tg *ThreadGroup) Usage() Usage {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	u := tg.deadUsage
	for _, t := range tg.threads {
		u.addTask(&t.usage)
	}
	return u.exported()
}

// ChildUsage returns what children that were waited for have used.
func (tg *ThreadGroup) ChildUsage() Usage {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	return tg.childUsage.exported()
}

// Tracer returns who traces the task, or nil.
func (t *Task) Tracer() *Task {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	return t.tracer
}

// Mask returns the signals that the task blocks.
func (t *Task) Mask() linux.SignalSet {
	t.tg.sigMu.Lock()
	defer t.tg.sigMu.Unlock()
	return t.sigMask
}

// QueuedSignals returns how many signals wait for processes of the task's user (SigQ).
func (t *Task) QueuedSignals() int64 {
	users := &t.k.users
	users.mu.Lock()
	defer users.mu.Unlock()
	if u := users.m[t.Creds().RUID]; u != nil {
		return u.signals.Load()
	}
	return 0
}

// PID returns the task's number.
func (t *Task) PID() *PID { return t.pid.Load() }

// Numbers returns the number in ns and in the namespaces below it, outermost first.
func (p *PID) Numbers(ns *PIDNamespace) []int32 {
	if p.In(ns) == 0 {
		return nil
	}
	return slices.Clone(p.nums[ns.level:])
}

// Nice returns the task's nice value; Policy its scheduling policy and real-time priority.
func (t *Task) Nice() int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sched.Nice
}

// Policy returns the scheduling policy (SCHED_*) and the real-time priority.
func (t *Task) Policy() (policy uint32, priority int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sched.Policy, t.sched.Priority
}

// TimerSlack returns PR_SET_TIMERSLACK in nanoseconds; SetTimerSlack changes it.
// Values not above 0 restore the default. Time-outs here have no slack: it is only remembered.
func (t *Task) TimerSlack() int64 { return t.timerSlack.Load() }

func (t *Task) SetTimerSlack(n int64) {
	if n <= 0 {
		n = defaultTimerSlack
	}
	t.timerSlack.Store(n)
}

// OOMScoreAdj returns /proc/PID/oom_score_adj; SetOOMScoreAdj changes it.
func (tg *ThreadGroup) OOMScoreAdj() int32     { return tg.oomScoreAdj.Load() }
func (tg *ThreadGroup) SetOOMScoreAdj(v int32) { tg.oomScoreAdj.Store(v) }

// ExitSignal returns what the parent gets when the process ends.
func (tg *ThreadGroup) ExitSignal() linux.Signal {
	tg.k.mu.RLock()
	defer tg.k.mu.RUnlock()
	return tg.exitSignal
}

// TaskCount returns how many tasks there are and how many of them run.
func (k *Kernel) TaskCount(ns *PIDNamespace) (running, all int) {
	k.mu.RLock()
	tasks := make([]*Task, 0, len(ns.tasks))
	for _, t := range ns.tasks {
		tasks = append(tasks, t)
	}
	k.mu.RUnlock()
	for _, t := range tasks {
		if t.State() == 'R' {
			running++
		}
	}
	return running, len(tasks)
}
