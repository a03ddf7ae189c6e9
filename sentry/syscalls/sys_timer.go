package syscalls

import (
	"ringfence/abi/addr"
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/kernel"
	"ringfence/sentry/ktime"
)

var timerCalls = []line{
	{linux.SYS_ALARM, "alarm", sysAlarm, kernel.Full, "", ""},
	{linux.SYS_SETITIMER, "setitimer", sysSetitimer, kernel.Full, "ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF", ""},
	{linux.SYS_GETITIMER, "getitimer", sysGetitimer, kernel.Full, "ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF", ""},
	{linux.SYS_TIMER_CREATE, "timer_create", sysTimerCreate, kernel.Full, "SIGEV_SIGNAL SIGEV_NONE SIGEV_THREAD SIGEV_THREAD_ID", ""},
	{linux.SYS_TIMER_SETTIME, "timer_settime", sysTimerSettime, kernel.Full, "TIMER_ABSTIME", ""},
	{linux.SYS_TIMER_GETTIME, "timer_gettime", sysTimerGettime, kernel.Full, "", ""},
	{linux.SYS_TIMER_GETOVERRUN, "timer_getoverrun", sysTimerGetoverrun, kernel.Full, "", ""},
	{linux.SYS_TIMER_DELETE, "timer_delete", sysTimerDelete, kernel.Full, "", ""},
}

func sysAlarm(t *kernel.Task, a *arch.Args) (uint64, error) {
	left, _, err := t.ThreadGroup().SetTimer(linux.ITIMER_REAL, int64(a[0].Uint())*1e9, 0)
	if err != nil {
		return 0, err
	}
	// Rounded to the nearest second, but never to 0 while something is left.
	sec := (left + 5e8) / 1e9
	if left > 0 && sec == 0 {
		sec = 1
	}
	return uint64(sec), nil
}

func sysSetitimer(t *kernel.Task, a *arch.Args) (uint64, error) {
	var v linux.Itimerval
	if p := a[1].Addr(); p != 0 {
		if err := t.CopyInStruct(p, &v); err != nil {
			return 0, err
		}
	}
	if !v.Valid() {
		return 0, errno.EINVAL
	}
	value, interval, err := t.ThreadGroup().SetTimer(a[0].Int(), v.Value.Nanoseconds(), v.Interval.Nanoseconds())
	if err != nil || a[2].Addr() == 0 {
		return 0, err
	}
	return 0, copyOutItimerval(t, a[2].Addr(), value, interval)
}

func copyOutItimerval(t *kernel.Task, p addr.Addr, value, interval int64) error {
	v := linux.Itimerval{Interval: linux.NsecToTimeval(interval), Value: linux.NsecToTimeval(value)}
	if value > 0 && v.Value.IsZero() {
		v.Value.Usec = 1 // it has not expired yet
	}
	return t.CopyOutStruct(p, &v)
}

func sysGetitimer(t *kernel.Task, a *arch.Args) (uint64, error) {
	value, interval, err := t.ThreadGroup().Timer(a[0].Int())
	if err != nil {
		return 0, err
	}
	return 0, copyOutItimerval(t, a[1].Addr(), value, interval)
}

// timerClock finds out what a timer on a clock counts: EOPNOTSUPP for clocks that can only be read.
func timerClock(t *kernel.Task, clock int32) (kernel.TimerClock, error) {
	if ktime.CanSet(clock) {
		if (clock == linux.CLOCK_REALTIME_ALARM || clock == linux.CLOCK_BOOTTIME_ALARM) && !t.Creds().Has(linux.CAP_WAKE_ALARM) {
			return kernel.TimerClock{}, errno.EPERM
		}
		return kernel.TimerClock{Clock: clock}, nil
	}
	if clock >= 0 && clock != linux.CLOCK_PROCESS_CPUTIME_ID && clock != linux.CLOCK_THREAD_CPUTIME_ID {
		if _, err := t.Kernel().Timers.Clocks.Resolution(clock); err == nil {
			return kernel.TimerClock{}, errno.EOPNOTSUPP
		}
		return kernel.TimerClock{}, errno.EINVAL
	}
	c, err := cpuClockOf(t, clock)
	if err != nil {
		return kernel.TimerClock{}, err
	}
	if c.task == nil && c.group != t.ThreadGroup() || c.task != nil && c.task.ThreadGroup() != t.ThreadGroup() {
		// Another process's CPU time can be read, but timers on it are not kept.
		return kernel.TimerClock{}, errno.EOPNOTSUPP
	}
	return kernel.TimerClock{CPU: true, Task: c.task, User: c.which == linux.CPUCLOCK_VIRT}, nil
}

func sysTimerCreate(t *kernel.Task, a *arch.Args) (uint64, error) {
	ev := linux.Sigevent{Notify: linux.SIGEV_SIGNAL, Signo: int32(linux.SIGALRM)}
	if p := a[1].Addr(); p != 0 {
		if err := t.CopyInStruct(p, &ev); err != nil {
			return 0, err
		}
	}
	c, err := timerClock(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	id, err := t.CreateTimer(c, ev)
	if err != nil {
		return 0, err
	}
	if a[1].Addr() == 0 {
		t.TimerIDAsValue(id)
	}
	if err := t.CopyOutUint32(a[2].Addr(), uint32(id)); err != nil {
		t.DeleteTimer(id)
		return 0, err
	}
	return 0, nil
}

func sysTimerSettime(t *kernel.Task, a *arch.Args) (uint64, error) {
	var v linux.Itimerspec
	if a[2].Addr() == 0 {
		return 0, errno.EINVAL
	}
	if err := t.CopyInStruct(a[2].Addr(), &v); err != nil {
		return 0, err
	}
	if !v.Valid() {
		return 0, errno.EINVAL
	}
	absolute := a[1].Uint()&linux.TIMER_ABSTIME != 0
	value, interval, err := t.SetPosixTimer(a[0].Int(), absolute, v.Value.Nanoseconds(), v.Interval.Nanoseconds())
	if err != nil || a[3].Addr() == 0 {
		return 0, err
	}
	return 0, copyOutItimerspec(t, a[3].Addr(), value, interval)
}

func copyOutItimerspec(t *kernel.Task, p addr.Addr, value, interval int64) error {
	return t.CopyOutStruct(p, &linux.Itimerspec{Interval: linux.NsecToTimespec(interval), Value: linux.NsecToTimespec(value)})
}

func sysTimerGettime(t *kernel.Task, a *arch.Args) (uint64, error) {
	value, interval, err := t.PosixTimer(a[0].Int())
	if err != nil {
		return 0, err
	}
	return 0, copyOutItimerspec(t, a[1].Addr(), value, interval)
}

func sysTimerGetoverrun(t *kernel.Task, a *arch.Args) (uint64, error) {
	n, err := t.TimerOverrun(a[0].Int())
	return uint64(n), err
}

func sysTimerDelete(t *kernel.Task, a *arch.Args) (uint64, error) {
	return 0, t.DeleteTimer(a[0].Int())
}
