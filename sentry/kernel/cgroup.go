package kernel

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/sentry/base/wait"
)

// Cgroup is a control group of the one hierarchy that there is, version 2 (cgroups(7)): cgroupmove.go moves tasks, cgroupfreeze.go
// stops them, cgroupctl.go has types and the controller of numbers of tasks. sentry/kfs/cgroup shows it as files.
type Cgroup struct {
	// Immutable.
	k      *Kernel
	id     uint64
	parent *Cgroup // nil for the root
	name   string
	level  int

	// Events tells of changes of what cgroup.events says, and PidsEvents of pids.events.
	Events, PidsEvents CgroupEvents

	// Guarded by Kernel.mu.
	children    map[string]*Cgroup
	gone        bool
	tasks       int // in the group itself, that have not ended
	populated   int // 1 for tasks, and 1 for each child that is populated
	descendants int
	dying       int // descendants that were removed and have zombies
	maxDepth    int
	maxBelow    int
	threaded    bool
	freezer     freezer
	pids        pidsLimit
	cpu         cpuTotals // of tasks that have ended or left, and of groups below that were removed
}

// CgroupEvents counts changes of a file that can be polled, and wakes who waits for them.
type CgroupEvents struct {
	Queue wait.Queue
	count atomic.Uint32
}

// Count returns how many changes there have been.
func (e *CgroupEvents) Count() uint32 { return e.count.Load() }

func (e *CgroupEvents) tell() {
	e.count.Add(1)
	e.Queue.Notify(wait.Err | wait.Pri)
}

// cgroupNoMax is a limit that says "max".
const cgroupNoMax = math.MaxInt32

func newCgroup(k *Kernel, parent *Cgroup, name string) *Cgroup {
	k.lastCgroup++
	cg := &Cgroup{k: k, id: k.lastCgroup, parent: parent, name: name, maxDepth: cgroupNoMax, maxBelow: cgroupNoMax}
	cg.pids.max = pidsNoMax
	if parent != nil {
		cg.level = parent.level + 1
	}
	return cg
}

// RootCgroup returns the group above all.
func (k *Kernel) RootCgroup() *Cgroup { return k.rootCgroup }

// ID returns a number that no other group has had.
func (cg *Cgroup) ID() uint64 { return cg.id }

// Parent returns the group above, nil for the root.
func (cg *Cgroup) Parent() *Cgroup { return cg.parent }

// Name returns the group's name in its parent.
func (cg *Cgroup) Name() string { return cg.name }

// Within reports whether cg is top or below it.
func (cg *Cgroup) Within(top *Cgroup) bool {
	for cg != nil && cg.level > top.level {
		cg = cg.parent
	}
	return cg == top
}

// Common returns the nearest group that a and b are both within.
func (cg *Cgroup) Common(b *Cgroup) *Cgroup {
	for !b.Within(cg) {
		cg = cg.parent
	}
	return cg
}

// Gone reports whether the group has been removed.
func (cg *Cgroup) Gone() bool {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	return cg.gone
}

// PathFrom returns where cg is for who sees root as the root: outside of that it begins with "/..".
func (cg *Cgroup) PathFrom(root *Cgroup) string {
	top := cg.Common(root)
	var names []string
	for g := cg; g != top; g = g.parent {
		names = append(names, g.name)
	}
	for range root.level - top.level {
		names = append(names, "..")
	}
	slices.Reverse(names)
	return "/" + strings.Join(names, "/")
}

// CgroupPath is what /proc/PID/cgroup says of t to who sees root as the root.
func (t *Task) CgroupPath(root *Cgroup) string {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	s := t.cgroup.PathFrom(root)
	if t.cgroup.gone {
		s += " (deleted)"
	}
	return s
}

// Cgroup returns the group that t is in.
func (t *Task) Cgroup() *Cgroup {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	return t.cgroup
}

// Mkdir makes a group below cg. ENODEV if cg has been removed, EEXIST, EAGAIN at a limit.
func (cg *Cgroup) Mkdir(name string) (*Cgroup, error) {
	cg.k.mu.Lock()
	defer cg.k.mu.Unlock()
	if cg.gone {
		return nil, errno.ENODEV
	}
	if cg.children[name] != nil {
		return nil, errno.EEXIST
	}
	for g, depth := cg, 1; g != nil; g, depth = g.parent, depth+1 {
		if g.descendants >= g.maxBelow || depth > g.maxDepth {
			return nil, errno.EAGAIN
		}
	}
	n := newCgroup(cg.k, cg, name)
	if cg.freezer.effective {
		n.freezer = freezer{effective: true, frozen: true, since: cg.k.Monotonic()}
	}
	if cg.children == nil {
		cg.children = make(map[string]*Cgroup)
	}
	cg.children[name] = n
	for g := cg; g != nil; g = g.parent {
		g.descendants++
	}
	return n, nil
}

// Remove removes the group. EBUSY while tasks or groups are in it.
func (cg *Cgroup) Remove() error {
	cg.k.mu.Lock()
	defer cg.k.mu.Unlock()
	if cg.gone {
		return errno.ENODEV
	}
	if cg.populated > 0 || len(cg.children) > 0 {
		return errno.EBUSY
	}
	cg.gone = true
	delete(cg.parent.children, cg.name)
	cg.parent.cpu.add(cg.cpu.user, cg.cpu.system)
	for g := cg.parent; g != nil; g = g.parent {
		g.descendants--
	}
	if cg.pids.own > 0 {
		cg.countDyingLocked(+1)
	}
	cg.parent.refreshFrozenLocked()
	return nil
}

// countDyingLocked counts a group that was removed while zombies hold on to it.
func (cg *Cgroup) countDyingLocked(d int) {
	for g := cg.parent; g != nil; g = g.parent {
		g.dying += d
	}
}

// Descendants returns how many groups are below cg, and how many were that zombies are still in.
func (cg *Cgroup) Descendants() (living, dying int) {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	return cg.descendants, cg.dying
}

// Limits returns how deep and how many groups may be below cg; negative for no limit.
func (cg *Cgroup) Limits() (depth, descendants int) {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	return cg.maxDepth, cg.maxBelow
}

// SetMaxDepth and SetMaxDescendants change the limits.
func (cg *Cgroup) SetMaxDepth(n int) {
	cg.k.mu.Lock()
	defer cg.k.mu.Unlock()
	cg.maxDepth = n
}

func (cg *Cgroup) SetMaxDescendants(n int) {
	cg.k.mu.Lock()
	defer cg.k.mu.Unlock()
	cg.maxBelow = n
}

// enterCgroupLocked puts t, which is in no group, into cg. Preconditions: Kernel.mu is held for writing.
func (t *Task) enterCgroupLocked(cg *Cgroup) {
	t.cgroup = cg
	t.cpuBefore.user, t.cpuBefore.system = t.CPUTimes()
	cg.tasks++
	if cg.tasks == 1 {
		cg.populateLocked(+1)
	}
	t.setFreezeLocked(cg.freezer.effective)
	cg.refreshFrozenLocked()
}

// leaveCgroupLocked says that t is in its group no longer, because it moves or has ended; the field stays.
func (t *Task) leaveCgroupLocked() {
	cg := t.cgroup
	cg.cpu.add(t.cpuInCgroupLocked())
	t.countFrozenLocked(false)
	cg.tasks--
	if cg.tasks == 0 {
		cg.populateLocked(-1)
	}
	cg.refreshFrozenLocked()
}

// forgetCgroupLocked says that t, which has ended, has been waited for.
func (t *Task) forgetCgroupLocked() {
	cg := t.cgroup
	cg.chargePidsLocked(-1)
	if cg.gone && cg.pids.own == 0 {
		cg.countDyingLocked(-1)
	}
}

// populateLocked adds d to what makes cg populated, and tells where that makes a difference.
func (cg *Cgroup) populateLocked(d int) {
	for g := cg; g != nil; g = g.parent {
		was := g.populated > 0
		g.populated += d
		if was == (g.populated > 0) {
			return
		}
		g.Events.tell()
	}
}

// Status returns what cgroup.events says.
func (cg *Cgroup) Status() (populated, frozen bool) {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	return cg.populated > 0, cg.freezer.frozen
}

// eachLocked calls fn for the tasks in cg, with below also for those in groups below it, that have not ended.
func (cg *Cgroup) eachLocked(below bool, fn func(*Task)) {
	for _, x := range cg.k.PIDNS.tasks {
		if x.exitState == alive && (x.cgroup == cg || below && x.cgroup.Within(cg)) {
			fn(x)
		}
	}
}

// Threads returns the numbers in ns of the tasks in cg, in order.
func (cg *Cgroup) Threads(ns *PIDNamespace) []int32 {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	var out []int32
	cg.eachLocked(false, func(x *Task) { out = append(out, x.TIDIn(ns)) })
	slices.Sort(out)
	return out
}

// Processes returns the numbers in ns of the processes that have tasks in cg or in threaded groups that belong to it.
// EOPNOTSUPP for a threaded group.
func (cg *Cgroup) Processes(ns *PIDNamespace) ([]int32, error) {
	cg.k.mu.RLock()
	defer cg.k.mu.RUnlock()
	if cg.threaded {
		return nil, errno.EOPNOTSUPP
	}
	var out []int32
	cg.eachLocked(true, func(x *Task) {
		if x.cgroup.domainLocked() == cg {
			out = append(out, x.tg.pid.In(ns))
		}
	})
	slices.SortFunc(out, cmp.Compare[int32])
	return slices.Compact(out), nil
}

// KillAll ends all processes in cg and below as a SIGKILL that t sends does (cgroup.kill), so that not the init of t's PID
// namespace. EOPNOTSUPP for a threaded group.
func (cg *Cgroup) KillAll(t *Task) error {
	cg.k.mu.Lock()
	defer cg.k.mu.Unlock()
	if cg.threaded {
		return errno.EOPNOTSUPP
	}
	cg.eachLocked(true, func(x *Task) {
		info := t.UserInfo(linux.SIGKILL, linux.SI_USER, x.tg)
		x.tg.signalLocked(&info)
	})
	return nil
}
