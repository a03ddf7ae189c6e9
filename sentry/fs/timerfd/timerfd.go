// Package timerfd implements timerfd_create(2): timers whose expiries are read.
//
// Lock order:
//
//	TimerFD.mu
//	  ktime.Manager
//	the queue is notified without them
package timerfd

import (
	"encoding/binary"
	"fmt"
	"sync"

	"ringfence/abi/errno"
	"ringfence/abi/linux"
	"ringfence/platform/arch"
	"ringfence/sentry/base/wait"
	"ringfence/sentry/ktime"
	"ringfence/sentry/usermem"
	"ringfence/sentry/vfs"
)

// TimerFD is the FileOps of a timerfd.
type TimerFD struct {
	vfs.BaseFile
	m     *ktime.Manager
	clock int32
	queue wait.Queue

	mu    sync.Mutex
	timer ktime.Timer
	seq   uint64 // of the setting that may expire
	ticks uint64 // expiries not yet read
	// expired says that the timer went off since the last read; if it is periodic it stands
	// still until then.
	expired bool
	flags   uint32 // of the last Set
	// watching and canceled are TFD_TIMER_CANCEL_ON_SET.
	watching, canceled bool
}

// New returns a timerfd of clock, one of those that timerfd_create(2) takes: EINVAL for others.
func New(m *ktime.Manager, clock int32) (*TimerFD, error) {
	switch clock {
	case linux.CLOCK_REALTIME, linux.CLOCK_MONOTONIC, linux.CLOCK_BOOTTIME,
		linux.CLOCK_REALTIME_ALARM, linux.CLOCK_BOOTTIME_ALARM:
	default:
		return nil, errno.EINVAL
	}
	t := &TimerFD{m: m, clock: clock}
	t.timer.Listener = t
	return t, nil
}

// Of returns the timerfd that f is, or nil.
func Of(f *vfs.File) *TimerFD {
	t, _ := f.Ops.(*TimerFD)
	return t
}

// TimerExpired implements ktime.Listener.
func (t *TimerFD) TimerExpired(_ *ktime.Timer, seq uint64) {
	t.mu.Lock()
	if seq != t.seq {
		t.mu.Unlock()
		return
	}
	t.ticks++
	t.expired = true
	t.mu.Unlock()
	t.queue.Notify(wait.In)
}

// ClockWasSet implements ktime.ClockListener.
func (t *TimerFD) ClockWasSet() {
	t.mu.Lock()
	if !t.watching {
		t.mu.Unlock()
		return
	}
	t.canceled = true
	t.ticks++
	t.mu.Unlock()
	t.queue.Notify(wait.In)
}

// Clock is the clock that the timer goes by.
func (t *TimerFD) Clock() int32 { return t.clock }

// Set is timerfd_settime(2) and returns the old setting. new is valid.
// ECANCELED comes with the new setting in effect.
func (t *TimerFD) Set(flags uint32, new linux.Itimerspec) (linux.Itimerspec, error) {
	if flags&^(linux.TFD_TIMER_ABSTIME|linux.TFD_TIMER_CANCEL_ON_SET) != 0 || !new.Valid() {
		return linux.Itimerspec{}, errno.EINVAL
	}
	abs := flags&linux.TFD_TIMER_ABSTIME != 0
	realtime := t.clock == linux.CLOCK_REALTIME || t.clock == linux.CLOCK_REALTIME_ALARM
	watch := realtime && abs && flags&linux.TFD_TIMER_CANCEL_ON_SET != 0

	t.mu.Lock()
	defer t.mu.Unlock()
	if watch != t.watching {
		if watch {
			t.m.WatchClock(t)
		} else {
			t.m.UnwatchClock(t)
		}
		t.watching = watch
	}
	t.catchUpLocked()
	old := t.settingLocked()
	t.m.Stop(&t.timer)
	wasCanceled := t.canceled && watch
	t.ticks, t.expired, t.canceled, t.flags = 0, false, false, flags
	if v := new.Value.Nanoseconds(); v != 0 {
		if abs {
			t.seq = t.m.Set(&t.timer, t.clock, v, new.Interval.Nanoseconds())
		} else {
			clock := t.clock
			if realtime {
				// A time to wait does not change when the clock is set.
				clock = linux.CLOCK_MONOTONIC
			}
			t.seq = t.m.SetAfter(&t.timer, clock, v, new.Interval.Nanoseconds())
		}
	} else {
		t.seq = 0
	}
	if wasCanceled {
		return old, errno.ECANCELED
	}
	return old, nil
}

// Get is timerfd_gettime(2).
func (t *TimerFD) Get() linux.Itimerspec {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.catchUpLocked()
	return t.settingLocked()
}

func (t *TimerFD) settingLocked() linux.Itimerspec {
	s := t.m.Get(&t.timer)
	return linux.Itimerspec{
		Interval: linux.NsecToTimespec(s.Interval),
		Value:    linux.NsecToTimespec(s.Remaining),
	}
}

// catchUpLocked counts the periods since a periodic timer expired and sets it again.
func (t *TimerFD) catchUpLocked() {
	if !t.expired || t.seq == 0 {
		return
	}
	t.expired = false
	missed, seq := t.m.Forward(&t.timer)
	t.ticks += missed
	t.seq = seq
}

// Read implements vfs.FileOps.
func (t *TimerFD) Read(_ vfs.Caller, _ *vfs.File, dst *usermem.Sequence, _ int64, _ uint32) (int, error) {
	if dst.Len() < 8 {
		return 0, errno.EINVAL
	}
	t.mu.Lock()
	if t.canceled {
		t.ticks, t.expired, t.canceled = 0, false, false
		t.mu.Unlock()
		return 0, errno.ECANCELED
	}
	if t.ticks == 0 {
		t.mu.Unlock()
		return 0, errno.EAGAIN
	}
	t.catchUpLocked()
	ticks := t.ticks
	t.ticks = 0
	t.mu.Unlock()
	if err := dst.CopyOutUint64(ticks); err != nil {
		return 0, err
	}
	return 8, nil
}

// Readiness implements vfs.FileOps.
func (t *TimerFD) Readiness(*vfs.File) wait.Mask {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ticks > 0 {
		return wait.In
	}
	return 0
}

// Queue implements vfs.FileOps.
func (t *TimerFD) Queue(*vfs.File) *wait.Queue { return &t.queue }

// Ioctl implements vfs.FileOps.
func (t *TimerFD) Ioctl(_ vfs.Caller, _ *vfs.File, m usermem.IO, cmd uint32, arg arch.Arg) (uint64, error) {
	if cmd != linux.TFD_IOC_SET_TICKS {
		return 0, errno.ENOTTY
	}
	var b [8]byte
	if _, err := m.CopyIn(arg.Addr(), b[:]); err != nil {
		return 0, err
	}
	ticks := binary.LittleEndian.Uint64(b[:])
	if ticks == 0 {
		return 0, errno.EINVAL
	}
	t.mu.Lock()
	if t.canceled {
		t.mu.Unlock()
		return 0, errno.ECANCELED
	}
	t.ticks = ticks
	t.mu.Unlock()
	t.queue.Notify(wait.In)
	return 0, nil
}

// Release implements vfs.FileOps.
func (t *TimerFD) Release(*vfs.File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m.Stop(&t.timer)
	if t.watching {
		t.m.UnwatchClock(t)
		t.watching = false
	}
}

// FDInfo returns the lines of /proc/PID/fdinfo.
func (t *TimerFD) FDInfo(*vfs.File) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.settingLocked()
	return fmt.Sprintf("clockid: %d\nticks: %d\nsettime flags: 0%o\nit_value: (%d, %d)\nit_interval: (%d, %d)\n",
		t.clock, t.ticks, t.flags, s.Value.Sec, s.Value.Nsec, s.Interval.Sec, s.Interval.Nsec)
}
