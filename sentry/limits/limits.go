// Package limits holds the resource limits of a process (getrlimit(2)) as data.
// Whoever spends a resource asks for its limit; nothing is enforced here.
//
// Lock order: Set.mu is a leaf.
package limits

import (
	"sync"
	"sync/atomic"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
)

// Infinity is the limit that is none.
const Infinity uint64 = linux.RLIM_INFINITY

// MaxFiles is the ceiling of RLIMIT_NOFILE (/proc/sys/fs/nr_open).
const MaxFiles = 1 << 20

// Set is the limits of a process, shared by its threads. The zero value limits
// everything to nothing.
type Set struct {
	// cur repeats the soft limits for Cur, which every write to a file and every new descriptor
	// ask; written under mu.
	cur [linux.RLIM_NLIMITS]atomic.Uint64

	mu     sync.RWMutex
	limits [linux.RLIM_NLIMITS]linux.Rlimit // guarded by mu
}

// Default returns the limits that Linux gives the first process (include/asm-generic/resource.h),
// with those that depend on the size of memory set as on a machine of mem bytes.
func Default(mem uint64) *Set {
	s := &Set{}
	for i := range s.limits {
		s.limits[i] = linux.Rlimit{Cur: Infinity, Max: Infinity}
	}
	// kernel/fork.c: half of the threads that fit an eighth of memory, with 16 KiB
	// of stack each.
	tasks := max(mem/8/(16<<10)/2, 64)
	s.limits[linux.RLIMIT_STACK] = linux.Rlimit{Cur: 8 << 20, Max: Infinity}
	s.limits[linux.RLIMIT_CORE] = linux.Rlimit{Cur: 0, Max: Infinity}
	s.limits[linux.RLIMIT_NPROC] = linux.Rlimit{Cur: tasks, Max: tasks}
	s.limits[linux.RLIMIT_NOFILE] = linux.Rlimit{Cur: 1024, Max: 4096}
	s.limits[linux.RLIMIT_MEMLOCK] = linux.Rlimit{Cur: 8 << 20, Max: 8 << 20}
	s.limits[linux.RLIMIT_SIGPENDING] = linux.Rlimit{Cur: tasks, Max: tasks}
	s.limits[linux.RLIMIT_MSGQUEUE] = linux.Rlimit{Cur: 819200, Max: 819200}
	s.limits[linux.RLIMIT_NICE] = linux.Rlimit{}
	s.limits[linux.RLIMIT_RTPRIO] = linux.Rlimit{}
	s.publish()
	return s
}

// publish makes cur repeat all soft limits of a set that nobody else knows yet.
func (s *Set) publish() {
	for i, l := range s.limits {
		s.cur[i].Store(l.Cur)
	}
}

// Clone returns a copy, for fork(2).
func (s *Set) Clone() *Set {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := &Set{limits: s.limits}
	c.publish()
	return c
}

// Get returns both limits of a resource. resource is a RLIMIT_* constant.
func (s *Set) Get(resource int) linux.Rlimit {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.limits[resource]
}

// Cur returns the soft limit of a resource, a RLIMIT_* constant.
func (s *Set) Cur(resource int) uint64 { return s.cur[resource].Load() }

// Put sets a resource's limits without asking, as boot does.
func (s *Set) Put(resource int, l linux.Rlimit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits[resource] = l
	s.cur[resource].Store(l.Cur)
}

// Change is prlimit64(2): it returns the old limits of resource and, if to is not nil,
// sets new ones. privileged says that the caller has CAP_SYS_RESOURCE.
// EINVAL for an unknown resource or a soft limit above the hard one, EPERM if a hard limit would rise.
func (s *Set) Change(resource uint32, to *linux.Rlimit, privileged bool) (linux.Rlimit, error) {
	if resource >= linux.RLIM_NLIMITS {
		return linux.Rlimit{}, errno.EINVAL
	}
	if to == nil {
		return s.Get(int(resource)), nil
	}
	if to.Cur > to.Max {
		return linux.Rlimit{}, errno.EINVAL
	}
	if resource == linux.RLIMIT_NOFILE && to.Max > MaxFiles {
		return linux.Rlimit{}, errno.EPERM
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.limits[resource]
	if to.Max > old.Max && !privileged {
		return linux.Rlimit{}, errno.EPERM
	}
	s.limits[resource] = *to
	s.cur[resource].Store(to.Cur)
	return old, nil
}
