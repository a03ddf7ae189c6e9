package kernel

import (
	"math"
	"time"

	"ringfence/abi/errno"
)

// Types of groups, as cgroup.type names them.
const (
	CgroupDomain   = "domain"
	CgroupThreaded = "threaded"
	cgroupRoot     = "domain threaded" // has threaded groups below
	cgroupInvalid  = "domain invalid"  // is to be made threaded before it is of use
)

// Type returns what cgroup.type says.
func (cg *Cgroup) Type() string {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	switch {
	case cg.threaded:
		return CgroupThreaded
	case !cg.validDomainLocked():
		return cgroupInvalid
	case cg.threadRootLocked():
		return cgroupRoot
	}
	return CgroupDomain
}

// MakeThreaded makes cg a part of the threaded subtree of the nearest domain above. EOPNOTSUPP if it has tasks, or the domain
// can't be the root of one.
func (cg *Cgroup) MakeThreaded() error {
	cg.k.mu.Lock()
	defer cg.k.mu.Unlock()
	if cg.threaded {
		return nil
	}
	top := cg.parent.domainLocked()
	if cg.gone {
		return errno.ENODEV
	}
	if cg.populated > 0 || !top.validDomainLocked() || !top.canBeThreadRootLocked() {
		return errno.EOPNOTSUPP
	}
	cg.threaded = true
	return nil
}

// domainLocked returns the domain that a threaded group belongs to, or the group itself.
func (cg *Cgroup) domainLocked() *Cgroup {
	for cg.threaded {
		cg = cg.parent
	}
	return cg
}

// canBeThreadRootLocked reports whether threaded groups can be made below cg: no process may be in a domain below.
func (cg *Cgroup) canBeThreadRootLocked() bool {
	if cg.parent == nil {
		return true
	}
	for _, c := range cg.children {
		if !c.threaded && c.populated > 0 {
			return false
		}
	}
	return true
}

// threadRootLocked reports whether cg is the root of a threaded subtree: it has threaded children, or tasks that compete with
// groups below.
func (cg *Cgroup) threadRootLocked() bool {
	if cg.threaded {
		return false
	}
	for _, c := range cg.children {
		if c.threaded {
			return true
		}
	}
	return cg.tasks > 0 && cg.pids.below
}

// validDomainLocked reports whether cg is a domain that no threaded subtree surrounds.
func (cg *Cgroup) validDomainLocked() bool {
	if cg.threaded {
		return false
	}
	for g := cg.parent; g != nil; g = g.parent {
		if g.threaded || g.parent != nil && g.threadRootLocked() {
			return false
		}
	}
	return true
}

// pidsLimit is the pids controller of a group. Guarded by Kernel.mu.
type pidsLimit struct {
	below    bool // groups directly below have the controller (cgroup.subtree_control)
	own      int  // tasks of the group itself until they are waited for
	current  int64
	peak     int64
	max      int64
	events   uint64 // forks that failed for the limit of the group or of one below
	failures uint64 // that failed for the limit of the group itself
}

// pidsNoMax is a limit that says "max".
const pidsNoMax = math.MaxInt64

// PidsMaxLimit is the greatest number that pids.max takes.
const PidsMaxLimit = PIDMax

// HasPids reports whether the group has the pids controller (cgroup.controllers), and whether groups below have it.
func (cg *Cgroup) HasPids() (own, below bool) {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	return cg.hasPidsLocked(), cg.pids.below
}

func (cg *Cgroup) hasPidsLocked() bool { return cg.parent == nil || cg.parent.pids.below }

// EnablePids gives groups below cg the pids controller, or takes it away. ENOENT if cg does not have it, EBUSY if groups further down
// need it, or tasks would compete with groups.
func (cg *Cgroup) EnablePids(on bool) error {
	cg.k.mu.Lock()
	defer cg.k.mu.Unlock()
	if cg.gone {
		return errno.ENODEV
	}
	if cg.pids.below == on {
		return nil
	}
	if !on {
		for _, c := range cg.children {
			if c.pids.below {
				return errno.EBUSY
			}
		}
		for _, c := range cg.children {
			c.pids.max = pidsNoMax
		}
		cg.pids.below = false
		return nil
	}
	switch {
	case !cg.hasPidsLocked():
		return errno.ENOENT
	case !cg.domainLocked().validDomainLocked():
		return errno.EOPNOTSUPP
	case cg.parent != nil && !cg.threaded && !cg.canBeThreadRootLocked() && cg.tasks > 0:
		return errno.EBUSY
	}
	cg.pids.below = true
	return nil
}

// Pids returns how many tasks there are in cg and below, zombies included, how many there were at most, and the limit.
func (cg *Cgroup) Pids() (current, peak, max int64) {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	return cg.pids.current, cg.pids.peak, cg.pids.max
}

// SetPidsMax changes the limit; negative for none.
func (cg *Cgroup) SetPidsMax(n int64) {
	cg.k.mu.Lock()
	defer cg.k.mu.Unlock()
	if n < 0 {
		n = pidsNoMax
	}
	cg.pids.max = n
}

// PidsFailures returns how many forks failed for the limit of cg or of a group below, and for that of cg itself.
func (cg *Cgroup) PidsFailures() (all, own uint64) {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	return cg.pids.events, cg.pids.failures
}

// mayForkLocked says whether there may be one more task in cg: EAGAIN if not.
func (cg *Cgroup) mayForkLocked() error {
	for g := cg; g != nil; g = g.parent {
		if g.pids.current < g.pids.max {
			continue
		}
		g.pids.failures++
		for ; g != nil; g = g.parent {
			g.pids.events++
			g.PidsEvents.tell()
		}
		return errno.EAGAIN
	}
	return nil
}

// chargePidsLocked counts a task that comes, or goes.
func (cg *Cgroup) chargePidsLocked(d int64) {
	cg.pids.own += int(d)
	for g := cg; g != nil; g = g.parent {
		g.pids.current += d
		g.pids.peak = max(g.pids.peak, g.pids.current)
	}
}

// cpuInCgroupLocked returns the times that t has used since it came to its group.
func (t *Task) cpuInCgroupLocked() (user, system time.Duration) {
	user, system = t.CPUTimes()
	return user - t.cpuBefore.user, system - t.cpuBefore.system
}

// CPUTimes returns the times that tasks have used in cg and below (cpu.stat, which there is without a controller).
func (cg *Cgroup) CPUTimes() (user, system time.Duration) {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	var sum cpuTotals
	cg.addCPULocked(&sum)
	cg.eachLocked(true, func(x *Task) { sum.add(x.cpuInCgroupLocked()) })
	return sum.user, sum.system
}

func (cg *Cgroup) addCPULocked(sum *cpuTotals) {
	sum.add(cg.cpu.user, cg.cpu.system)
	for _, c := range cg.children {
		c.addCPULocked(sum)
	}
}
