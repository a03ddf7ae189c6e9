package kernel

import (
	"sync/atomic"
	"time"
)

// Phases of a task, for the accounting of CPU time.
const (
	phaseIdle   = 0
	phaseUser   = 1
	phaseSystem = 2
	phaseMask   = 3
)

// cpuTime is how much processor time a task has used. What passes between entry to
// and return from the guest counts as user time, the rest but sleep as system time. The task is the
// only writer. since holds when the present phase began, with the phase in the
// lowest two bits: a reader that finds it unchanged has read a consistent state.
type cpuTime struct {
	user, system atomic.Int64 // nanoseconds, without the present phase
	since        atomic.Int64
}

// enter begins a phase.
func (c *cpuTime) enter(t *Task, phase int64) {
	now := t.k.Monotonic() &^ phaseMask
	old := c.since.Load()
	switch d := now - old&^phaseMask; old & phaseMask {
	case phaseUser:
		c.user.Add(d)
	case phaseSystem:
		c.system.Add(d)
	}
	c.since.Store(now | phase)
}

// times returns user and system time up to now. Any goroutine.
func (c *cpuTime) times(t *Task) (user, system time.Duration) {
	for range 100 {
		since := c.since.Load()
		u, s := c.user.Load(), c.system.Load()
		d := max(0, t.k.Monotonic()-since&^phaseMask)
		if c.since.Load() != since {
			continue
		}
		switch since & phaseMask {
		case phaseUser:
			u += d
		case phaseSystem:
			s += d
		}
		return time.Duration(u), time.Duration(s)
	}
	return time.Duration(c.user.Load()), time.Duration(c.system.Load())
}

// cpuTotals are the times of tasks that are gone.
type cpuTotals struct {
	user, system time.Duration
}

func (c *cpuTotals) add(user, system time.Duration) {
	c.user += user
	c.system += system
}

// CPUTimes returns the user and system time of the task.
func (t *Task) CPUTimes() (user, system time.Duration) { return t.cpu.times(t) }

// CPUTimes returns the user and system time of all tasks that the process has or had.
func (tg *ThreadGroup) CPUTimes() (user, system time.Duration) {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	return tg.cpuTimesLocked()
}

func (tg *ThreadGroup) cpuTimesLocked() (user, system time.Duration) {
	user, system = tg.deadCPU.user, tg.deadCPU.system
	for _, t := range tg.threads {
		u, s := t.cpu.times(t)
		user += u
		system += s
	}
	return user, system
}

// ChildCPUTimes returns the times of children that were waited for (times(2)).
func (tg *ThreadGroup) ChildCPUTimes() (user, system time.Duration) {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	return tg.childCPU.user, tg.childCPU.system
}

// usage counts what getrusage(2) reports besides CPU time.
type usage struct {
	minorFaults, majorFaults atomic.Int64
	voluntary, involuntary   atomic.Int64
	inBlocks, outBlocks      atomic.Int64
}

// usageTotals are the counts of tasks that are gone. Maxrss is in KiB.
type usageTotals struct {
	minorFaults, majorFaults, voluntary, involuntary, inBlocks, outBlocks, maxrss int64
}

func (u *usageTotals) addTask(x *usage) {
	u.minorFaults += x.minorFaults.Load()
	u.majorFaults += x.majorFaults.Load()
	u.voluntary += x.voluntary.Load()
	u.involuntary += x.involuntary.Load()
	u.inBlocks += x.inBlocks.Load()
	u.outBlocks += x.outBlocks.Load()
}

func (u *usageTotals) add(x *usageTotals) {
	u.minorFaults += x.minorFaults
	u.majorFaults += x.majorFaults
	u.voluntary += x.voluntary
	u.involuntary += x.involuntary
	u.inBlocks += x.inBlocks
	u.outBlocks += x.outBlocks
	u.maxrss = max(u.maxrss, x.maxrss)
}
