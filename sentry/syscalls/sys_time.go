package syscalls

import (
	"time"

	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/ktime"
)

var timeCalls = []line{
	{linux.SYS_TIME, "time", sysTime, kernel.Full, "", ""},
	{linux.SYS_GETTIMEOFDAY, "gettimeofday", sysGettimeofday, kernel.Full, "", ""},
	{linux.SYS_SETTIMEOFDAY, "settimeofday", sysSettimeofday, kernel.Partial, "", "the clock can't be set"},
	{linux.SYS_CLOCK_GETTIME, "clock_gettime", sysClockGettime, kernel.Full, "", "no dynamic clocks"},
	{linux.SYS_CLOCK_GETRES, "clock_getres", sysClockGetres, kernel.Full, "", "no dynamic clocks"},
	{linux.SYS_CLOCK_SETTIME, "clock_settime", sysClockSettime, kernel.Partial, "", "clocks can't be set"},
	{linux.SYS_NANOSLEEP, "nanosleep", sysNanosleep, kernel.Full, "", ""},
	{linux.SYS_CLOCK_NANOSLEEP, "clock_nanosleep", sysClockNanosleep, kernel.Full, "TIMER_ABSTIME", ""},
	{linux.SYS_ADJTIMEX, "adjtimex", sysAdjtimex, kernel.Partial, "", "reads only"},
	{linux.SYS_CLOCK_ADJTIME, "clock_adjtime", sysClockAdjtime, kernel.Partial, "", "reads only"},
	{linux.SYS_TIMES, "times", sysTimes, kernel.Full, "", ""},
}

func sysTime(t *kernel.Task, a *arch.Args) (uint64, error) {
	sec := uint64(t.Kernel().Now() / 1e9)
	if a[0] != 0 {
		if err := t.CopyOutUint64(a[0].Addr(), sec); err != nil {
			return 0, err
		}
	}
	return sec, nil
}

func sysGettimeofday(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0] != 0 {
		tv := linux.NsecToTimeval(t.Kernel().Now())
		b := make([]byte, tv.SizeBytes())
		tv.MarshalBytes(b)
		if err := t.CopyOut(a[0].Addr(), b); err != nil {
			return 0, err
		}
	}
	if a[1] != 0 {
		return 0, t.CopyOutStruct(a[1].Addr(), &linux.Timezone{})
	}
	return 0, nil
}

func sysSettimeofday(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0] != 0 {
		var tv linux.Timeval
		if err := t.CopyInStruct(a[0].Addr(), &tv); err != nil {
			return 0, err
		}
		if !tv.Valid() {
			return 0, errno.EINVAL
		}
	}
	if a[1] != 0 {
		var tz linux.Timezone
		if err := t.CopyInStruct(a[1].Addr(), &tz); err != nil {
			return 0, err
		}
	}
	return 0, errno.EPERM
}

// cpuClock is what a negative clock number means: the CPU time of a process or thread
// (clock_getcpuclockid(3)).
type cpuClock struct {
	task  *kernel.Task // or
	group *kernel.ThreadGroup
	which int32 // CPUCLOCK_PROF, CPUCLOCK_VIRT, CPUCLOCK_SCHED
}

// cpuClockOf decodes a clock of CPU time; EINVAL if there is none such.
func cpuClockOf(t *kernel.Task, clock int32) (cpuClock, error) {
	switch clock {
	case linux.CLOCK_PROCESS_CPUTIME_ID:
		return cpuClock{group: t.ThreadGroup(), which: linux.CPUCLOCK_SCHED}, nil
	case linux.CLOCK_THREAD_CPUTIME_ID:
		return cpuClock{task: t, which: linux.CPUCLOCK_SCHED}, nil
	}
	if clock >= 0 {
		return cpuClock{}, errno.EINVAL
	}
	pid, which := ^(clock >> 3), clock&3
	if which == linux.CLOCKFD {
		return cpuClock{}, errno.EINVAL
	}
	c := cpuClock{which: which}
	ns := t.PIDNamespace()
	if clock&linux.CPUCLOCK_PERTHREAD_MASK != 0 {
		c.task = t
		if pid != 0 {
			c.task = t.Kernel().Task(ns, pid)
		}
		// Only threads of the caller's own process have clocks.
		if c.task == nil || c.task.ThreadGroup() != t.ThreadGroup() {
			return cpuClock{}, errno.EINVAL
		}
		return c, nil
	}
	c.group = t.ThreadGroup()
	if pid != 0 {
		c.group = t.Kernel().ThreadGroup(ns, pid)
	}
	if c.group == nil {
		return cpuClock{}, errno.EINVAL
	}
	return c, nil
}

func (c cpuClock) now() int64 {
	var user, system time.Duration
	if c.task != nil {
		user, system = c.task.CPUTimes()
	} else {
		user, system = c.group.CPUTimes()
	}
	if c.which == linux.CPUCLOCK_VIRT {
		return int64(user)
	}
	return int64(user + system)
}

// clockNow reads any clock.
func clockNow(t *kernel.Task, clock int32) (int64, error) {
	if now, err := t.Kernel().Timers.Clocks.Now(clock); err == nil {
		return now + t.Ahead(clock), nil
	}
	c, err := cpuClockOf(t, clock)
	if err != nil {
		return 0, err
	}
	return c.now(), nil
}

func sysClockGettime(t *kernel.Task, a *arch.Args) (uint64, error) {
	now, err := clockNow(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	ts := linux.NsecToTimespec(now)
	return 0, t.CopyOutTimespec(a[1].Addr(), &ts)
}

func sysClockGetres(t *kernel.Task, a *arch.Args) (uint64, error) {
	clock := a[0].Int()
	res, err := t.Kernel().Timers.Clocks.Resolution(clock)
	if err != nil {
		c, err := cpuClockOf(t, clock)
		if err != nil {
			return 0, err
		}
		// As posix_cpu_clock_getres: ticks, but for the scheduler's clock.
		if res = 1; c.which != linux.CPUCLOCK_SCHED {
			res = ktime.CoarseResolution
		}
	}
	if a[1] == 0 {
		return 0, nil
	}
	ts := linux.NsecToTimespec(res)
	return 0, t.CopyOutTimespec(a[1].Addr(), &ts)
}

func sysClockSettime(t *kernel.Task, a *arch.Args) (uint64, error) {
	clock := a[0].Int()
	if _, err := clockNow(t, clock); err != nil {
		return 0, err
	}
	switch clock {
	case linux.CLOCK_REALTIME:
	default:
		if clock >= 0 {
			return 0, errno.EINVAL
		}
	}
	var ts linux.Timespec
	if err := t.CopyInTimespec(a[1].Addr(), &ts); err != nil {
		return 0, err
	}
	if clock == linux.CLOCK_REALTIME && !ts.Valid() {
		return 0, errno.EINVAL
	}
	return 0, errno.EPERM
}

func sysNanosleep(t *kernel.Task, a *arch.Args) (uint64, error) {
	// clock_nanosleep of CLOCK_MONOTONIC with the arguments of nanosleep, so that a restart
	// finds the same ones.
	args := arch.Args{linux.CLOCK_MONOTONIC, 0, a[0], a[1]}
	return sysClockNanosleep(t, &args)
}

func sysClockNanosleep(t *kernel.Task, a *arch.Args) (uint64, error) {
	clock, flags := a[0].Int(), a[1].Uint()
	if b := t.Restarting(); b != nil {
		return 0, sleepUntil(t, a, b.Deadline)
	}
	if clock == linux.CLOCK_THREAD_CPUTIME_ID || clock < 0 && clock&7 == linux.CLOCKFD {
		return 0, errno.EOPNOTSUPP // by these nobody sleeps; EINVAL is the C library's answer
	}
	cpu := clock < 0 || clock == linux.CLOCK_PROCESS_CPUTIME_ID
	var c cpuClock
	if cpu {
		var err error
		if c, err = cpuClockOf(t, clock); err != nil || c.task == t {
			return 0, errno.EINVAL // a thread can't sleep by its own clock
		}
	} else if _, err := t.Kernel().Timers.Clocks.Resolution(clock); err != nil {
		return 0, err
	} else if !ktime.CanSet(clock) {
		return 0, errno.EOPNOTSUPP
	}
	var ts linux.Timespec
	if err := t.CopyInTimespec(a[2].Addr(), &ts); err != nil {
		return 0, err
	}
	if !ts.Valid() {
		return 0, errno.EINVAL
	}
	abs := flags&linux.TIMER_ABSTIME != 0
	switch {
	case cpu:
		return 0, sleepCPU(t, c, ts.Nanoseconds(), abs)
	case abs:
		return 0, sleepUntilClock(t, clock, t.ToKernelTime(clock, ts.Nanoseconds()))
	}
	d := timeoutAfter(t, ts.Nanoseconds())
	if d.now {
		// Even no time at all gives others a chance, but no signal interrupts it.
		return 0, nil
	}
	return 0, sleepUntil(t, a, d.deadline())
}

// sleepUntil sleeps until a monotonic deadline. Interrupted, it stores what is left at a[3]
// and goes on by restart_syscall(2).
func sleepUntil(t *kernel.Task, a *arch.Args, deadline int64) error {
	for {
		switch err := t.BlockUntil(deadline); err {
		case nil:
		case errno.ETIMEDOUT:
			return nil
		default:
			left := int64(1<<63 - 1)
			if deadline != kernel.Forever {
				if left = deadline - t.Kernel().Monotonic(); left <= 0 {
					return nil
				}
			}
			if a[3] != 0 {
				ts := linux.NsecToTimespec(left)
				if err := t.CopyOutTimespec(a[3].Addr(), &ts); err != nil {
					return err
				}
			}
			return t.SetRestart(linux.SYS_CLOCK_NANOSLEEP, a, deadline)
		}
	}
}

// sleepUntilClock sleeps until a time of a clock. A clock that can be set is looked
// at again every second.
func sleepUntilClock(t *kernel.Task, clock int32, until int64) error {
	clocks := t.Kernel().Timers.Clocks
	steady := clock == linux.CLOCK_MONOTONIC || clock == linux.CLOCK_BOOTTIME || clock == linux.CLOCK_BOOTTIME_ALARM
	for {
		now, err := clocks.Now(clock)
		if err != nil {
			return err
		}
		left := until - now
		if left <= 0 {
			return nil
		}
		if !steady {
			left = min(left, int64(time.Second))
		}
		d := timeoutAfter(t, left)
		if err := t.BlockUntil(d.deadline()); err == kernel.ErrInterrupted {
			return errno.ERESTARTNOHAND
		}
	}
}

// sleepCPU sleeps until a process has used CPU time. How soon it can have is bounded by its
// threads all running.
func sleepCPU(t *kernel.Task, c cpuClock, ns int64, abs bool) error {
	until := ns
	if !abs {
		until = c.now() + ns
	}
	for {
		left := until - c.now()
		if left <= 0 {
			return nil
		}
		threads := int64(1)
		if c.group != nil {
			threads = max(1, int64(min(len(c.group.Tasks()), t.Kernel().CPUs)))
		}
		// An idle process is not asked more often than a tick.
		d := timeoutAfter(t, max(left/threads, ktime.CoarseResolution))
		if err := t.BlockUntil(d.deadline()); err == kernel.ErrInterrupted {
			return errno.ERESTARTNOHAND
		}
	}
}

func sysAdjtimex(t *kernel.Task, a *arch.Args) (uint64, error) {
	return adjtime(t, a[0].Addr())
}

func sysClockAdjtime(t *kernel.Task, a *arch.Args) (uint64, error) {
	switch clock := a[0].Int(); {
	case clock == linux.CLOCK_REALTIME:
		return adjtime(t, a[1].Addr())
	case clock < 0 || clock >= linux.MAX_CLOCKS:
		return 0, errno.EINVAL
	}
	return 0, errno.EOPNOTSUPP
}

// adjtime is a clock that nobody disciplines, as far as guests see.
func adjtime(t *kernel.Task, at addr.Addr) (uint64, error) {
	var x linux.Timex
	if err := t.CopyInStruct(at, &x); err != nil {
		return 0, err
	}
	if x.Modes != 0 && x.Modes != linux.ADJ_OFFSET_SS_READ {
		return 0, errno.EPERM
	}
	x = linux.Timex{
		Modes:     x.Modes,
		Maxerror:  16000000,
		Esterror:  16000000,
		Status:    linux.STA_UNSYNC,
		Constant:  2,
		Precision: 1,
		Tolerance: 32768000,
		Time:      linux.NsecToTimeval(t.Kernel().Now()),
		Tick:      10000,
	}
	return linux.TIME_ERROR, t.CopyOutStruct(at, &x)
}

func sysTimes(t *kernel.Task, a *arch.Args) (uint64, error) {
	if a[0] != 0 {
		tg := t.ThreadGroup()
		user, system := tg.CPUTimes()
		cuser, csystem := tg.ChildCPUTimes()
		tms := linux.Tms{
			Utime:  linux.DurationToTicks(user),
			Stime:  linux.DurationToTicks(system),
			Cutime: linux.DurationToTicks(cuser),
			Cstime: linux.DurationToTicks(csystem),
		}
		if err := t.CopyOutStruct(a[0].Addr(), &tms); err != nil {
			return 0, err
		}
	}
	return uint64(linux.DurationToTicks(time.Duration(t.Kernel().Monotonic()))), nil
}
