package kernel

import (
	"sync/atomic"
	"time"
)

// cpuTime is how much processor time a task has used, in ticks of Kernel.ticks. What
// passes between entry to and return from the guest counts as user time, the rest but
// sleep as system time. The zero value is a task that has not run.
//
// Every way into and out of the guest costs a look at the counter and one store: of
// user, system and their sum, only one of the first two stands still, and that one is
// kept. The task is the only writer.
type cpuTime struct {
	// sum: bit 0 says that the task runs. The rest is what to subtract from the
	// counter to get the sum; of a task that sleeps, the sum.
	sum atomic.Int64
	// part: bit 0 says that the task is in the guest. The rest is its system time then, else its user time.
	part atomic.Int64
}

const (
	cpuRuns    = 1 // in sum
	cpuInGuest = 1 // in part
)

// total is the sum of user and system time at now.
func cpuTotal(sum, now int64) int64 {
	if sum&cpuRuns == 0 {
		return sum >> 1
	}
	return now - sum>>1
}

// run and sleep begin and end a time that counts. The task is not in the guest.
func (c *cpuTime) run(now int64)   { c.sum.Store((now-cpuTotal(c.sum.Load(), now))<<1 | cpuRuns) }
func (c *cpuTime) sleep(now int64) { c.sum.Store(cpuTotal(c.sum.Load(), now) << 1) }

// enterGuest and leaveGuest begin and end user time.
func (c *cpuTime) enterGuest(now int64) {
	user := c.part.Load() >> 1
	c.part.Store((cpuTotal(c.sum.Load(), now)-user)<<1 | cpuInGuest)
}

func (c *cpuTime) leaveGuest(now int64) {
	system := c.part.Load() >> 1
	c.part.Store((cpuTotal(c.sum.Load(), now) - system) << 1)
}

// inGuest reports whether the task is in Switch, or about to be. Any goroutine.
func (c *cpuTime) inGuest() bool { return c.part.Load()&cpuInGuest != 0 }

// times returns user and system time up to now. Any goroutine.
func (c *cpuTime) times(k *Kernel) (user, system time.Duration) {
	for {
		sum, part := c.sum.Load(), c.part.Load()
		now := k.ticks.Now()
		if c.sum.Load() != sum || c.part.Load() != part {
			continue
		}
		still := part >> 1
		moving := max(cpuTotal(sum, now)-still, 0)
		if part&cpuInGuest != 0 {
			return k.ticks.Duration(moving), k.ticks.Duration(still)
		}
		return k.ticks.Duration(still), k.ticks.Duration(moving)
	}
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
func (t *Task) CPUTimes() (user, system time.Duration) { return t.cpu.times(t.k) }

// CPUTimes returns the user and system time of all tasks that the process has or had.
func (tg *ThreadGroup) CPUTimes() (user, system time.Duration) {
	tg.sigMu.Lock()
	defer tg.sigMu.Unlock()
	return tg.cpuTimesLocked()
}

func (tg *ThreadGroup) cpuTimesLocked() (user, system time.Duration) {
	user, system = tg.deadCPU.user, tg.deadCPU.system
	for _, t := range tg.threads {
		u, s := t.cpu.times(t.k)
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
