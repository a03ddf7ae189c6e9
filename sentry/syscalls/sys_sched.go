package syscalls

import (
	"encoding/binary"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
)

// The host schedules; what guests set here is remembered and checked as Linux does.
var schedCalls = []line{
	{linux.SYS_SCHED_YIELD, "sched_yield", sysSchedYield, kernel.Full, "", ""},
	{linux.SYS_SCHED_GETAFFINITY, "sched_getaffinity", sysSchedGetaffinity, kernel.Full, "", ""},
	{linux.SYS_SCHED_SETAFFINITY, "sched_setaffinity", sysSchedSetaffinity, kernel.Partial, "", "remembered only"},
	{linux.SYS_SCHED_GETSCHEDULER, "sched_getscheduler", sysSchedGetscheduler, kernel.Full, "", ""},
	{linux.SYS_SCHED_SETSCHEDULER, "sched_setscheduler", sysSchedSetscheduler, kernel.Partial, "SCHED_RESET_ON_FORK", "remembered only"},
	{linux.SYS_SCHED_GETPARAM, "sched_getparam", sysSchedGetparam, kernel.Full, "", ""},
	{linux.SYS_SCHED_SETPARAM, "sched_setparam", sysSchedSetparam, kernel.Partial, "", "remembered only"},
	{linux.SYS_SCHED_GETATTR, "sched_getattr", sysSchedGetattr, kernel.Full, "", ""},
	{linux.SYS_SCHED_SETATTR, "sched_setattr", sysSchedSetattr, kernel.Partial, "RESET_ON_FORK KEEP_POLICY KEEP_PARAMS", "remembered only; no SCHED_DEADLINE"},
	{linux.SYS_SCHED_GET_PRIORITY_MAX, "sched_get_priority_max", sysSchedGetPriorityMax, kernel.Full, "", ""},
	{linux.SYS_SCHED_GET_PRIORITY_MIN, "sched_get_priority_min", sysSchedGetPriorityMin, kernel.Full, "", ""},
	{linux.SYS_SCHED_RR_GET_INTERVAL, "sched_rr_get_interval", sysSchedRrGetInterval, kernel.Full, "", ""},
	{linux.SYS_GETPRIORITY, "getpriority", sysGetpriority, kernel.Full, "", ""},
	{linux.SYS_SETPRIORITY, "setpriority", sysSetpriority, kernel.Partial, "", "remembered only"},
	{linux.SYS_IOPRIO_GET, "ioprio_get", sysIoprioGet, kernel.Full, "", ""},
	{linux.SYS_IOPRIO_SET, "ioprio_set", sysIoprioSet, kernel.Partial, "", "remembered only"},
}

// sched_yield has nothing to do: by entering the kernel the thread has given up its processor already.
func sysSchedYield(*kernel.Task, *arch.Args) (uint64, error) { return 0, nil }

// schedTask finds the task that a sched_* call is about.
func schedTask(t *kernel.Task, pid int32) (*kernel.Task, error) {
	if pid < 0 {
		return nil, errno.EINVAL
	}
	return findTask(t, pid)
}

// mayReschedule checks that t may change x's scheduling.
func mayReschedule(t, x *kernel.Task) error {
	c, o := t.Creds(), x.Creds()
	if c.EUID != o.EUID && c.EUID != o.RUID && !c.HasIn(linux.CAP_SYS_NICE, o.UserNS) {
		return errno.EPERM
	}
	return nil
}

func sysSchedGetaffinity(t *kernel.Task, a *arch.Args) (uint64, error) {
	n := a[1].Uint()
	cpus := t.Kernel().CPUs
	if uint64(n)*8 < uint64(cpus) || n&7 != 0 {
		return 0, errno.EINVAL
	}
	x, err := schedTask(t, a[0].Int())
	if err != nil {
		return 0, errno.ESRCH
	}
	set := x.Sched().Affinity(cpus)
	size := min(int(n), 8*len(set))
	b := make([]byte, 8*len(set))
	for i, w := range set {
		binary.LittleEndian.PutUint64(b[8*i:], w)
	}
	return uint64(size), t.CopyOut(a[2].Addr(), b[:size])
}

func sysSchedSetaffinity(t *kernel.Task, a *arch.Args) (uint64, error) {
	cpus := t.Kernel().CPUs
	b := make([]byte, (cpus+63)/64*8)
	n := min(uint64(len(b)), a[1].Size())
	if err := t.CopyIn(a[2].Addr(), b[:n]); err != nil {
		return 0, err
	}
	x, err := schedTask(t, a[0].Int())
	if err != nil {
		return 0, errno.ESRCH
	}
	if err := mayReschedule(t, x); err != nil {
		return 0, err
	}
	set := make([]uint64, len(b)/8)
	any := uint64(0)
	for i := range set {
		set[i] = binary.LittleEndian.Uint64(b[8*i:]) & kernel.AllCPUs(cpus)[i]
		any |= set[i]
	}
	if any == 0 {
		return 0, errno.EINVAL
	}
	s := x.Sched()
	s.SetAffinity(set)
	x.SetSched(s)
	return 0, nil
}

func realTime(policy uint32) bool { return policy == linux.SCHED_FIFO || policy == linux.SCHED_RR }

// changeSched checks a new policy, priority and nice value and sets them.
func changeSched(t, x *kernel.Task, policy uint32, priority, nice int32, reset bool) error {
	switch policy {
	case linux.SCHED_NORMAL, linux.SCHED_BATCH, linux.SCHED_IDLE:
		if priority != 0 {
			return errno.EINVAL
		}
	case linux.SCHED_FIFO, linux.SCHED_RR:
		if priority < 1 || priority > linux.MaxRTPriority {
			return errno.EINVAL
		}
	case linux.SCHED_DEADLINE:
		return errno.EPERM
	default:
		return errno.EINVAL
	}
	old := x.Sched()
	if !t.Creds().Has(linux.CAP_SYS_NICE) {
		if err := mayReschedule(t, x); err != nil {
			return err
		}
		if !realTime(policy) && nice < old.Nice && !mayNice(x, nice) {
			return errno.EPERM
		}
		if realTime(policy) {
			limit := x.Limits().Cur(linux.RLIMIT_RTPRIO)
			if policy != old.Policy && limit == 0 || priority > old.Priority && uint64(priority) > limit {
				return errno.EPERM
			}
		}
		if old.Policy == linux.SCHED_IDLE && policy != linux.SCHED_IDLE && !mayNice(x, old.Nice) {
			return errno.EPERM
		}
		if old.ResetOnFork && !reset {
			return errno.EPERM
		}
	}
	old.Policy, old.Priority, old.Nice, old.ResetOnFork = policy, priority, nice, reset
	x.SetSched(old)
	return nil
}

// mayNice reports whether RLIMIT_NICE lets x have a nice value.
func mayNice(x *kernel.Task, nice int32) bool {
	return uint64(20-nice) <= x.Limits().Cur(linux.RLIMIT_NICE)
}

func sysSchedGetscheduler(t *kernel.Task, a *arch.Args) (uint64, error) {
	x, err := schedTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	s := x.Sched()
	if s.ResetOnFork {
		return uint64(s.Policy | linux.SCHED_RESET_ON_FORK), nil
	}
	return uint64(s.Policy), nil
}

func sysSchedSetscheduler(t *kernel.Task, a *arch.Args) (uint64, error) {
	policy := a[1].Int()
	if policy < 0 || a[0].Int() < 0 || a[2].Addr() == 0 {
		return 0, errno.EINVAL
	}
	var p linux.SchedParam
	if err := t.CopyInStruct(a[2].Addr(), &p); err != nil {
		return 0, err
	}
	x, err := schedTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	reset := policy&linux.SCHED_RESET_ON_FORK != 0
	return 0, changeSched(t, x, uint32(policy)&^linux.SCHED_RESET_ON_FORK, p.Priority, x.Sched().Nice, reset)
}

func sysSchedGetparam(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1].Addr() == 0 {
		return 0, errno.EINVAL
	}
	x, err := schedTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	return 0, t.CopyOutStruct(a[1].Addr(), &linux.SchedParam{Priority: x.Sched().Priority})
}

func sysSchedSetparam(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1].Addr() == 0 || a[0].Int() < 0 {
		return 0, errno.EINVAL
	}
	var p linux.SchedParam
	if err := t.CopyInStruct(a[1].Addr(), &p); err != nil {
		return 0, err
	}
	x, err := schedTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	s := x.Sched()
	return 0, changeSched(t, x, s.Policy, p.Priority, s.Nice, s.ResetOnFork)
}

func sysSchedGetattr(t *kernel.Task, a *arch.Args) (uint64, error) {
	size := a[2].Uint()
	if a[1].Addr() == 0 || size < linux.SCHED_ATTR_SIZE_VER0 || size > addr.PageSize || a[3] != 0 {
		return 0, errno.EINVAL
	}
	x, err := schedTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	s := x.Sched()
	at := linux.SchedAttr{Size: min(size, linux.SCHED_ATTR_SIZE_VER1), Policy: s.Policy, Priority: uint32(s.Priority)}
	if s.ResetOnFork {
		at.Flags = linux.SCHED_FLAG_RESET_ON_FORK
	}
	if !realTime(s.Policy) {
		at.Nice = s.Nice
	}
	at.UtilMax = 1024
	b := make([]byte, at.SizeBytes())
	at.MarshalBytes(b)
	return 0, t.CopyOut(a[1].Addr(), b[:at.Size])
}

func sysSchedSetattr(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[1].Addr() == 0 || a[2] != 0 {
		return 0, errno.EINVAL
	}
	size, err := t.CopyInUint32(a[1].Addr())
	if err != nil {
		return 0, err
	}
	if size == 0 {
		size = linux.SCHED_ATTR_SIZE_VER0
	}
	var at linux.SchedAttr
	if size < linux.SCHED_ATTR_SIZE_VER0 || size > addr.PageSize {
		err = errno.E2BIG
	} else {
		err = copyInExtensible(t, a[1].Addr(), uint64(size), linux.SCHED_ATTR_SIZE_VER0, &at)
	}
	if err == errno.E2BIG {
		if err := t.CopyOutUint32(a[1].Addr(), linux.SCHED_ATTR_SIZE_VER1); err != nil {
			return 0, err
		}
	}
	if err != nil {
		return 0, err
	}
	if int32(at.Policy) < 0 || at.Flags&^linux.SCHED_FLAG_ALL != 0 {
		return 0, errno.EINVAL
	}
	if at.Flags&linux.SCHED_FLAG_UTIL_CLAMP != 0 {
		return 0, errno.EOPNOTSUPP
	}
	x, err := schedTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	s := x.Sched()
	policy, priority, nice := at.Policy, int32(at.Priority), min(max(at.Nice, linux.MinNice), linux.MaxNice)
	if at.Flags&linux.SCHED_FLAG_KEEP_POLICY != 0 {
		policy = s.Policy
	}
	if at.Flags&linux.SCHED_FLAG_KEEP_PARAMS != 0 {
		priority, nice = s.Priority, s.Nice
	}
	return 0, changeSched(t, x, policy, priority, nice, at.Flags&linux.SCHED_FLAG_RESET_ON_FORK != 0)
}

func sysSchedGetPriorityMax(t *kernel.Task, a *arch.Args) (uint64, error) {
	switch a[0].Int() {
	case linux.SCHED_FIFO, linux.SCHED_RR:
		return linux.MaxRTPriority, nil
	case linux.SCHED_NORMAL, linux.SCHED_BATCH, linux.SCHED_IDLE, linux.SCHED_DEADLINE:
		return 0, nil
	}
	return 0, errno.EINVAL
}

func sysSchedGetPriorityMin(t *kernel.Task, a *arch.Args) (uint64, error) {
	n, err := sysSchedGetPriorityMax(t, a)
	return min(n, 1), err
}

func sysSchedRrGetInterval(t *kernel.Task, a *arch.Args) (uint64, error) {
	x, err := schedTask(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	var ts linux.Timespec
	switch x.Sched().Policy {
	case linux.SCHED_RR:
		ts.Nsec = 100e6
	case linux.SCHED_FIFO:
	default:
		ts.Nsec = 4e6
	}
	return 0, t.CopyOutTimespec(a[1].Addr(), &ts)
}

// priorityTargets finds the tasks that setpriority(2), ioprio_set(2) and the like are about.
func priorityTargets(t *kernel.Task, which, who int32) ([]*kernel.Task, error) {
	var out []*kernel.Task
	switch which {
	case linux.PRIO_PROCESS:
		x, err := schedTask(t, who)
		if err != nil {
			return nil, errno.ESRCH
		}
		return []*kernel.Task{x}, nil
	case linux.PRIO_PGRP:
		pg := t.ThreadGroup().ProcessGroup()
		if who != 0 {
			pg = t.Kernel().ProcessGroup(t.PIDNamespace(), who)
		}
		for _, tg := range t.Kernel().ThreadGroups(t.PIDNamespace()) {
			if pg != nil && tg.ProcessGroup() == pg {
				out = append(out, tg.Tasks()...)
			}
		}
	case linux.PRIO_USER:
		u := t.Creds().RUID
		if who != 0 {
			var ok bool
			if u, ok = t.Creds().UserNS.ToUID(uint32(who)); !ok {
				return nil, errno.ESRCH
			}
		}
		for _, tg := range t.Kernel().ThreadGroups(t.PIDNamespace()) {
			for _, x := range tg.Tasks() {
				if x.Creds().RUID == u {
					out = append(out, x)
				}
			}
		}
	default:
		return nil, errno.EINVAL
	}
	if len(out) == 0 {
		return nil, errno.ESRCH
	}
	return out, nil
}

// getpriority returns 20-nice, so that the result is never negative (getpriority(2), NOTES).
func sysGetpriority(t *kernel.Task, a *arch.Args) (uint64, error) {
	xs, err := priorityTargets(t, a[0].Int(), a[1].Int())
	if err != nil {
		return 0, err
	}
	best := int32(0)
	for _, x := range xs {
		best = max(best, 20-x.Sched().Nice)
	}
	return uint64(best), nil
}

func sysSetpriority(t *kernel.Task, a *arch.Args) (uint64, error) {
	if which := a[0].Int(); which < linux.PRIO_PROCESS || which > linux.PRIO_USER {
		return 0, errno.EINVAL
	}
	nice := min(max(a[2].Int(), linux.MinNice), linux.MaxNice)
	xs, err := priorityTargets(t, a[0].Int(), a[1].Int())
	if err != nil {
		return 0, err
	}
	for _, x := range xs {
		c, o := t.Creds(), x.Creds()
		if o.RUID != c.EUID && o.EUID != c.EUID && !c.HasIn(linux.CAP_SYS_NICE, o.UserNS) {
			err = errno.EPERM
			continue
		}
		s := x.Sched()
		if nice < s.Nice && !c.Has(linux.CAP_SYS_NICE) && !mayNice(x, nice) {
			err = errno.EACCES
			continue
		}
		s.Nice = nice
		x.SetSched(s)
	}
	return 0, err
}

func sysIoprioGet(t *kernel.Task, a *arch.Args) (uint64, error) {
	xs, err := priorityTargets(t, a[0].Int()-1, a[1].Int())
	if err != nil {
		return 0, err
	}
	best := int32(-1)
	for _, x := range xs {
		p := x.Sched().IOPrio
		if p == 0 {
			p = linux.IOPRIO_CLASS_NONE<<linux.IOPRIO_CLASS_SHIFT | 4
			if a[0].Int() == linux.IOPRIO_WHO_PROCESS {
				p = 0
			}
		}
		if best < 0 || p < best {
			best = p
		}
	}
	return uint64(best), nil
}

func sysIoprioSet(t *kernel.Task, a *arch.Args) (uint64, error) {
	prio := a[2].Int()
	switch class, level := prio>>linux.IOPRIO_CLASS_SHIFT, prio&7; class {
	case linux.IOPRIO_CLASS_RT:
		if !t.Creds().Has(linux.CAP_SYS_ADMIN) && !t.Creds().Has(linux.CAP_SYS_NICE) {
			return 0, errno.EPERM
		}
	case linux.IOPRIO_CLASS_BE, linux.IOPRIO_CLASS_IDLE:
	case linux.IOPRIO_CLASS_NONE:
		if level != 0 {
			return 0, errno.EINVAL
		}
	default:
		return 0, errno.EINVAL
	}
	xs, err := priorityTargets(t, a[0].Int()-1, a[1].Int())
	if err != nil {
		return 0, err
	}
	for _, x := range xs {
		c, o := t.Creds(), x.Creds()
		if o.RUID != c.EUID && o.RUID != c.RUID && !c.Has(linux.CAP_SYS_NICE) {
			err = errno.EPERM
			continue
		}
		s := x.Sched()
		s.IOPrio = prio
		x.SetSched(s)
	}
	return 0, err
}
