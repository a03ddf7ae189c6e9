package syscalls

import (
	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/fs/timerfd"
	"ringfence/sentry/kernel"
	"ringfence/sentry/vfs"
)

var timerfdCalls = []line{
	{linux.SYS_TIMERFD_CREATE, "timerfd_create", sysTimerfdCreate, kernel.Full, "TFD_CLOEXEC TFD_NONBLOCK", ""},
	{linux.SYS_TIMERFD_SETTIME, "timerfd_settime", sysTimerfdSettime, kernel.Full, "TFD_TIMER_ABSTIME TFD_TIMER_CANCEL_ON_SET", ""},
	{linux.SYS_TIMERFD_GETTIME, "timerfd_gettime", sysTimerfdGettime, kernel.Full, "", ""},
}

func sysTimerfdCreate(t *kernel.Task, a *arch.Args) (uint64, error) {
	clock, flags := a[0].Int(), a[1].Uint()
	if flags&^(linux.TFD_CLOEXEC|linux.TFD_NONBLOCK) != 0 {
		return 0, errno.EINVAL
	}
	tfd, err := timerfd.New(t.Kernel().Timers, clock)
	if err != nil {
		return 0, err
	}
	alarm := clock == linux.CLOCK_REALTIME_ALARM || clock == linux.CLOCK_BOOTTIME_ALARM
	if alarm && !t.Creds().Has(linux.CAP_WAKE_ALARM) {
		return 0, errno.EPERM
	}
	return installAnon(t, "[timerfd]", tfd, flags, vfs.FModeStill)
}

// timerfdOf returns the timerfd of a descriptor; the file is the caller's to drop.
func timerfdOf(t *kernel.Task, fd int32) (*vfs.File, *timerfd.TimerFD, error) {
	f, err := t.GetFile(fd)
	if err != nil {
		return nil, nil, err
	}
	tfd := timerfd.Of(f)
	if tfd == nil {
		f.DecRef()
		return nil, nil, errno.EINVAL
	}
	return f, tfd, nil
}

func sysTimerfdSettime(t *kernel.Task, a *arch.Args) (uint64, error) {
	var new linux.Itimerspec
	if err := t.CopyInStruct(a[2].Addr(), &new); err != nil {
		return 0, err
	}
	if a[1].Uint()&^(linux.TFD_TIMER_ABSTIME|linux.TFD_TIMER_CANCEL_ON_SET) != 0 || !new.Valid() {
		return 0, errno.EINVAL
	}
	f, tfd, err := timerfdOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if a[1].Uint()&linux.TFD_TIMER_ABSTIME != 0 && !new.Value.IsZero() {
		new.Value = linux.NsecToTimespec(max(t.ToKernelTime(tfd.Clock(), new.Value.Nanoseconds()), 1))
	}
	old, err := tfd.Set(a[1].Uint(), new)
	if err != nil {
		return 0, err
	}
	if a[3] != 0 {
		return 0, t.CopyOutStruct(a[3].Addr(), &old)
	}
	return 0, nil
}

func sysTimerfdGettime(t *kernel.Task, a *arch.Args) (uint64, error) {
	f, tfd, err := timerfdOf(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	cur := tfd.Get()
	return 0, t.CopyOutStruct(a[1].Addr(), &cur)
}
