package kernel

import (
	"ringfence/abi/errno"
)

// PIDMax is one more than the greatest process number (/proc/sys/kernel/pid_max).
const PIDMax = 4194304

// reservedPIDs are skipped when numbers wrap (kernel/pid.c).
const reservedPIDs = 300

// PID is the number of a task, process group or session in its namespace and in all
// namespaces above. Immutable.
type PID struct {
	ns   *PIDNamespace
	nums []int32 // by level
}

// In returns the number in ns, 0 if it has none there.
func (p *PID) In(ns *PIDNamespace) int32 {
	if ns.level > p.ns.level || p.nsAt(ns.level) != ns {
		return 0
	}
	return p.nums[ns.level]
}

func (p *PID) nsAt(level int) *PIDNamespace {
	ns := p.ns
	for ns.level > level {
		ns = ns.parent
	}
	return ns
}

// Own returns the number in the innermost namespace.
func (p *PID) Own() int32 { return p.nums[len(p.nums)-1] }

// PIDNamespace gives numbers to tasks, process groups and sessions (pid_namespaces(7)).
type PIDNamespace struct {
	identity
	// Immutable.
	parent *PIDNamespace
	level  int

	acct accounting

	// Guarded by Kernel.mu.
	last     int32 // last number given out
	tasks    map[int32]*Task
	groups   map[int32]*ProcessGroup
	sessions map[int32]*Session
	init     *ThreadGroup // child reaper
	dying    bool         // init has ended: nothing can be added
}

func newPIDNamespace(parent *PIDNamespace, id identity) *PIDNamespace {
	ns := &PIDNamespace{
		identity: id,
		parent:   parent,
		tasks:    make(map[int32]*Task),
		groups:   make(map[int32]*ProcessGroup),
		sessions: make(map[int32]*Session),
	}
	if parent != nil {
		ns.level = parent.level + 1
	}
	return ns
}

// maxPIDLevel is how deep PID namespaces nest (MAX_PID_NS_LEVEL).
const maxPIDLevel = 32

// Parent returns the namespace above, nil for the initial one.
func (ns *PIDNamespace) Parent() *PIDNamespace { return ns.parent }

// Within reports whether ns is top or below it.
func (ns *PIDNamespace) Within(top *PIDNamespace) bool {
	for ns != nil && ns != top {
		ns = ns.parent
	}
	return ns != nil
}

// Inhabited reports whether ns has had a first process.
func (k *Kernel) Inhabited(ns *PIDNamespace) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return ns.init != nil
}

// LastPID returns the number given out last (/proc/loadavg).
func (k *Kernel) LastPID(ns *PIDNamespace) int32 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return ns.last
}

func (ns *PIDNamespace) taken(n int32) bool {
	return ns.tasks[n] != nil || ns.groups[n] != nil || ns.sessions[n] != nil
}

// nextLocked finds a free number. EAGAIN if there is none, ENOMEM if the
// namespace is dying. Preconditions: Kernel.mu is held for writing.
func (ns *PIDNamespace) nextLocked() (int32, error) {
	if ns.dying {
		return 0, errno.ENOMEM
	}
	n := ns.last
	for range PIDMax {
		if n++; n >= PIDMax {
			n = reservedPIDs
		}
		if !ns.taken(n) {
			return n, nil
		}
	}
	return 0, errno.EAGAIN
}

// allocatePIDLocked makes a PID in ns. want are numbers asked for, innermost first
// (clone3's set_tid): EEXIST if one is taken. The numbers count as taken once the PID is
// attached to a task. Preconditions: Kernel.mu is held for writing.
func (ns *PIDNamespace) allocatePIDLocked(want []int32) (*PID, error) {
	p := &PID{ns: ns, nums: make([]int32, ns.level+1)}
	for at, i := ns, 0; at != nil; at, i = at.parent, i+1 {
		if i < len(want) {
			if at.taken(want[i]) {
				return nil, errno.EEXIST
			}
			if at.dying {
				return nil, errno.ENOMEM
			}
			p.nums[at.level] = want[i]
			continue
		}
		n, err := at.nextLocked()
		if err != nil {
			return nil, err
		}
		p.nums[at.level] = n
	}
	for at, i := ns, 0; at != nil; at, i = at.parent, i+1 {
		if i >= len(want) {
			at.last = p.nums[at.level]
		}
	}
	return p, nil
}

// attachLocked makes t what p's numbers find; detachLocked undoes it.
func (p *PID) attachLocked(t *Task) {
	for ns := p.ns; ns != nil; ns = ns.parent {
		ns.tasks[p.nums[ns.level]] = t
	}
}

func (p *PID) detachLocked() {
	for ns := p.ns; ns != nil; ns = ns.parent {
		delete(ns.tasks, p.nums[ns.level])
	}
}

// Task finds a task by its number in ns; nil if there is none. The task may be a
// zombie, or become one at any time.
func (k *Kernel) Task(ns *PIDNamespace, tid int32) *Task {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return ns.tasks[tid]
}

// ThreadGroup finds a process by its number in ns; nil if there is none.
func (k *Kernel) ThreadGroup(ns *PIDNamespace, pid int32) *ThreadGroup {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return ns.groupOfLocked(pid)
}

func (ns *PIDNamespace) groupOfLocked(pid int32) *ThreadGroup {
	t := ns.tasks[pid]
	if t == nil || t.tg.leader != t {
		return nil
	}
	return t.tg
}

// ThreadGroups returns all processes in ns, in order of their numbers (readdir of /proc).
func (k *Kernel) ThreadGroups(ns *PIDNamespace) []*ThreadGroup {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var out []*ThreadGroup
	for _, t := range ns.tasks {
		if t.tg.leader == t {
			out = append(out, t.tg)
		}
	}
	sortByPID(out, ns)
	return out
}

// ProcessGroup finds a process group by its number in ns; nil if there is none.
func (k *Kernel) ProcessGroup(ns *PIDNamespace, pgid int32) *ProcessGroup {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return ns.groups[pgid]
}
